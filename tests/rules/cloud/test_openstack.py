"""Neutron's groups: one family a rule, quotas of a project, and other people's."""

from __future__ import annotations

import json

import pytest
import yaml

from rules.cloud.document import CloudOptions
from rules.cloud.openstack import named
from rules.cluster import CniChoice
from rules.errors import ConfigError, UsageError
from rules.parse.cloud import parse
from rules.render.cloud import cloud_rules, render
from tests.rules.cloud.plans import plan_of, widest
from tests.rules.render.clusters import cluster

TUNNEL = CniChoice("flannel", "vxlan")
ID = "0a0a0a0a-0000-4000-8000-000000000001"


def test_a_flow_of_one_family_is_no_widening() -> None:
    plan = plan_of(cluster(cni=CniChoice("flannel", "wireguard"), families=(4, 6)))
    made = cloud_rules("openstack", plan, CloudOptions(quotas=(("rules", 200),)))
    assert not made.widenings
    wire = [rule for rule in made.rules if rule.ports == (51820, 51820)]
    assert {rule.families for rule in wire} == {(4,)}


def test_the_rules_of_a_project_are_counted_with_neutrons_own() -> None:
    plan = plan_of(cluster(cni=TUNNEL))
    made = cloud_rules("openstack", plan)
    count = next(item for item in made.usage if item.quota == "security group rules")
    assert count.used == len(made.rules) + 2 * len(made.groups)
    options = CloudOptions(quotas=(("rules", count.used - 1),))
    with pytest.raises(
        UsageError, match=rf"{count.used} security rules are needed .* {count.used - 1};"
    ):
        cloud_rules("openstack", plan, options)
    with pytest.raises(UsageError, match=r"2 security groups are needed .* has 1;"):
        cloud_rules("openstack", plan, CloudOptions(quotas=(("groups", 1),)))


def test_heat_templates_hold_what_heat_knows() -> None:
    known = {
        "security_group", "description", "direction", "ethertype", "protocol", "port_range_min",
        "port_range_max", "remote_group", "remote_ip_prefix",
    }  # fmt: skip
    made = widest(plan_of(cluster(cni=CniChoice("calico", "ipip"), families=(4, 6))), "openstack")
    (text,) = render("heat", made).files.values()
    template = yaml.safe_load(text)
    assert template["heat_template_version"] == "2018-08-31"
    kinds = {item["type"] for item in template["resources"].values()}
    assert kinds == {"OS::Neutron::SecurityGroup", "OS::Neutron::SecurityGroupRule"}
    for item in template["resources"].values():
        if item["type"].endswith("Rule"):
            assert set(item["properties"]) <= known
            assert {"remote_group", "remote_ip_prefix"} & set(item["properties"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CloudOptions(name="a b"), "letters, digits and hyphens"),
        (CloudOptions(network="n"), "no place for --network"),
        (CloudOptions(scope="n"), "no place for --scope"),
        (CloudOptions(location="n"), "no place for --location"),
        (CloudOptions(tags=(("a", "b"),)), "no place for --tag"),
    ],
)
def test_what_a_group_has_no_place_for_is_refused(options: CloudOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cloud_rules("openstack", plan_of(cluster(cni=TUNNEL)), options)


def test_only_ids_name_other_groups() -> None:
    assert named(ID)[0].name == ID
    with pytest.raises(UsageError, match="named by their id, not 'default'"):
        named("default")


def test_what_neutron_prints_is_read() -> None:
    rules = [
        {"direction": "egress", "ethertype": "IPv4"},
        {"direction": "ingress", "ethertype": "IPv6", "protocol": None},
        {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22,
         "port_range_max": 22, "remote_ip_prefix": "203.0.113.0/24"},
        {"direction": "ingress", "ethertype": "IPv4", "remote_group_id": ID},
        {"direction": "ingress", "ethertype": "IPv6", "protocol": "icmp"},
    ]  # fmt: skip
    answer = {"security_groups": [{"id": ID, "name": "nodes", "security_group_rules": rules}]}
    (group,) = parse("openstack", "json", json.dumps(answer))
    assert [(rule.label, rule.families) for rule in group.ingress] == [
        ("every protocol from ::/0 to nodes", (6,)),
        ("22/tcp from 203.0.113.0/24 to nodes", (4,)),
        ("every protocol from nodes to nodes", (4,)),
        ("every icmpv6 type from ::/0 to nodes", (6,)),
    ]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"ethertype": "IPv5"}, "no ether type is called 'IPv5'"),
        ({"protocol": "icmp", "port_range_min": 3, "port_range_max": 4}, "limited to a code"),
        ({"protocol": "tcp", "port_range_min": "x"}, "'x' is no whole number"),
    ],
)
def test_what_cannot_be_read_exactly_is_an_error(said: dict[str, object], message: str) -> None:
    answer = {"security_groups": [{"name": "n", "security_group_rules": [said]}]}
    with pytest.raises(ConfigError, match=message):
        parse("openstack", "json", json.dumps(answer))

"""Azure's groups: priorities, the default rules, what is not carried, names and other people's."""

from __future__ import annotations

import json

import pytest

from rules.cloud.azure import named
from rules.cloud.document import CloudOptions
from rules.cloud.plan import Wishes
from rules.cluster import CniChoice
from rules.errors import ConfigError, UsageError
from rules.flows import Group
from rules.parse.cloud import parse
from rules.render.cloud import cloud_rules, render
from tests.rules.cloud.plans import carried, plan_of, read_back, wanted, widest
from tests.rules.render.clusters import cluster

TUNNEL, ROUTED = CniChoice("flannel", "vxlan"), CniChoice("flannel", "host-gw")


def groups_of(choice: CniChoice, families: tuple[int, ...] = (4, 6)) -> list[dict[str, object]]:
    plan = carried(plan_of(cluster(cni=choice, families=families)), "azure")
    (text,) = render("arm", widest(plan, "azure")).files.values()
    listed = json.loads(text)["resources"]
    return [one for one in listed if one["type"].endswith("/networkSecurityGroups")]


def test_priorities_are_unique_and_the_last_rule_denies_the_rest() -> None:
    for group in groups_of(ROUTED):
        rules = group["properties"]["securityRules"]  # type: ignore[index]
        priorities = [rule["properties"]["priority"] for rule in rules]
        assert priorities == sorted(set(priorities))
        assert (priorities[0], priorities[-1]) == (100, 4096)
        assert [rule["properties"]["access"] for rule in rules].count("Deny") == 1
        names = [rule["name"] for rule in rules]
        assert len(names) == len(set(names))
        assert all(len(rule["properties"]["description"]) <= 140 for rule in rules)


def test_a_rule_holds_one_protocol_one_family_and_groups_or_addresses() -> None:
    for group in groups_of(ROUTED):
        for rule in group["properties"]["securityRules"]:  # type: ignore[index]
            said = rule["properties"]
            words = [*said.get("sourceAddressPrefixes", []), said.get("sourceAddressPrefix", "")]
            assert bool(said.get("sourceApplicationSecurityGroups")) != any(words)
            families = {":" in word for word in words if word not in ("", "*")}
            assert len(families) <= 1
            assert len(said.get("sourceApplicationSecurityGroups", [])) <= 10


@pytest.mark.parametrize(
    ("choice", "families", "message"),
    [
        (CniChoice("calico", "ipip"), (4,), r"calico-ipip .protocol 4 .ipip., IPv4: Azure's virt"),
        (CniChoice("antrea", "gre"), (4,), r"antrea-gre .*TCP, UDP, ICMP, ESP and AH"),
        (TUNNEL, (4, 6), r"icmpv6-errors, .*do not support ICMPv6.*--leave-out icmpv6-errors,"),
    ],
)
def test_what_azure_does_not_carry_is_refused_whatever_is_allowed(
    choice: CniChoice, families: tuple[int, ...], message: str
) -> None:
    plan = plan_of(cluster(cni=choice, families=families))
    with pytest.raises(UsageError, match=message):
        cloud_rules("azure", plan, allowed={grant.flow for grant in plan.grants})


def test_a_service_tag_stands_alone_in_its_rule() -> None:
    wishes = Wishes(peers=((Group.LOAD_BALANCERS, named("AzureLoadBalancer")[0]),))
    made = widest(plan_of(cluster(cni=TUNNEL), wishes=wishes), "azure")
    for form in ("terraform", "arm", "bicep", "cli"):
        assert read_back(made, form) == wanted(made)
        (text,) = render(form, made).files.values()
        assert "AzureLoadBalancer" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CloudOptions(name="-a"), "letters, digits"),
        (CloudOptions(name="a" * 61), "at most 60"),
        (CloudOptions(network="vnet"), "belong to no virtual network"),
        (CloudOptions(scope="a'b"), "the name of a resource group"),
        (CloudOptions(location="West Europe"), "a region such as westeurope"),
        (CloudOptions(tags=(("a/b", ""),)), "none that Azure takes"),
        (CloudOptions(tags=(("a", "\n"),)), "cannot be shown"),
        (CloudOptions(quotas=(("rules", 5),)), "needs 9 security rules, and .* has 5"),
    ],
)
def test_names_that_azure_would_not_take_are_refused(options: CloudOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        widest(plan_of(cluster(cni=ROUTED)), "azure", options)


def test_a_tag_that_looks_like_an_expression_of_arm_stays_a_word() -> None:
    options = CloudOptions(tags=(("note", "[resourceGroup().id]"),))
    (text,) = render("arm", widest(plan_of(cluster(cni=TUNNEL)), "azure", options)).files.values()
    assert '"note": "[[resourceGroup().id]"' in text


def rule(name: str, priority: int, **said: object) -> dict[str, object]:
    base = {
        "priority": priority, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
        "sourceAddressPrefix": "192.0.2.0/24", "destinationAddressPrefix": "*",
        "destinationPortRange": "22", "sourcePortRange": "*",
    }  # fmt: skip
    return {"name": name, **base, **said}


DENY = {"access": "Deny", "protocol": "*", "sourceAddressPrefix": "*", "destinationPortRange": "*"}


def shown(*rules: dict[str, object]) -> list[str]:
    (group,) = parse("azure", "arm", json.dumps({"name": "nsg", "securityRules": list(rules)}))
    return [one.label for one in group.ingress]


def test_without_a_last_denial_the_virtual_network_comes_in() -> None:
    ssh = "22/tcp from 192.0.2.0/24 to nsg"
    defaults = [
        "every protocol from VirtualNetwork to nsg", "every protocol from AzureLoadBalancer to nsg"
    ]  # fmt: skip
    assert shown(rule("ssh", 100)) == [ssh, *defaults]
    assert shown(rule("ssh", 100), rule("deny", 4096, **DENY)) == [ssh]
    # What is behind the denial of everything lets in nothing.
    assert shown(rule("late", 300), rule("deny", 200, **DENY), rule("ssh", 100)) == [ssh]
    assert shown(rule("out", 100, direction="Outbound"), rule("deny", 4096, **DENY)) == []


def test_a_denial_before_others_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match="nsg: no-ssh: denies, and what is left is not compared"):
        shown(rule("no-ssh", 100, access="Deny"), rule("ssh", 200))


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        ("bicep", "resource a 'k@1' = [for x in y: {}]", "is not understood"),
        ("bicep", "resource a 'k@1' = {\n  name: '${x}'\n}", ":2: an interpolation"),
        ("bicep", "module a 'b'", "'module' is not understood here"),
        ("arm", '{"resources": 5}', "is no list"),
        ("cli", "rule 'a", "no line of shell"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(form: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse("azure", form, text, "given")

"""Google's rules: lists on both sides, families apart, pods by destination, names and quotas."""

from __future__ import annotations

import json
from ipaddress import ip_address

import pytest

from rules.cloud.document import CloudOptions
from rules.cloud.found import EVERYBODY, reach_of
from rules.cloud.gcp import named
from rules.cloud.plan import Wishes
from rules.cluster import Cluster, CniChoice, Node, Role
from rules.errors import ConfigError, UsageError
from rules.flows import Group
from rules.parse.cloud import parse
from rules.render.cloud import cloud_rules, render
from tests.rules.cloud.plans import plan_of, read_back, wanted, widest
from tests.rules.render.clusters import cluster

SA = "nodes@some-project.iam.gserviceaccount.com"
TUNNEL, ROUTED = CniChoice("flannel", "vxlan"), CniChoice("flannel", "host-gw")


def test_icmp_types_are_a_widening_and_pods_are_none() -> None:
    with pytest.raises(UsageError) as refused:
        cloud_rules("gcp", plan_of(cluster(cni=ROUTED)))
    assert "icmp-errors (icmp type 3, 11, 12 become every icmp type)" in str(refused.value)
    assert "--allow-widening icmp-errors,icmp-echo, or" in str(refused.value)


def test_rules_to_pods_name_their_addresses() -> None:
    made = widest(plan_of(cluster(cni=ROUTED, families=(4, 6))), "gcp")
    (text,) = render("json", made).files.values()
    pods = [one for one in json.loads(text) if "pods-to-pods" in one["description"]]
    assert {tuple(one["destinationRanges"]) for one in pods} == {
        ("10.244.0.0/16",), ("fd00:244::/56",),
    }  # fmt: skip


def test_service_accounts_stand_in_the_place_of_tags() -> None:
    accounts = tuple(
        (role, f"{role}@some-project.iam.gserviceaccount.com")
        for role in ("worker", "multi-master")
    )
    plan = plan_of(cluster(cni=ROUTED))
    made = widest(plan, "gcp", CloudOptions(accounts=accounts))
    for form in ("terraform", "cli", "json"):
        (text,) = render(form, made).files.values()
        assert "tags" not in text.lower()
        assert read_back(made, form) == wanted(made)
    with pytest.raises(UsageError, match="is missing for multi-master: all roles or none"):
        widest(plan, "gcp", CloudOptions(accounts=accounts[:1]))
    wishes = Wishes(peers=((Group.MONITORING, named("prometheus")[0]),))
    with pytest.raises(UsageError, match=r"names tags .prometheus. or service accounts"):
        widest(plan_of(cluster(cni=ROUTED), wishes=wishes), "gcp", CloudOptions(accounts=accounts))


def test_health_checkers_join_the_load_balancers() -> None:
    wishes = Wishes(peers=tuple((Group.LOAD_BALANCERS, peer) for peer in named("proxy")))
    made = widest(plan_of(cluster(cni=TUNNEL), wishes=wishes), "gcp")
    (text,) = render("json", made).files.values()
    ranges = {word for one in json.loads(text) for word in one.get("sourceRanges", [])}
    assert {"35.191.0.0/16", "130.211.0.0/22"} <= ranges
    assert not any(":" in word for word in ranges)  # the cluster has no IPv6
    assert read_back(made, "json") == wanted(made)


def test_more_addresses_than_one_rule_holds_are_several_rules() -> None:
    few = cluster(cni=TUNNEL)
    nodes = tuple(
        Node(f"w{n}", Role.WORKER, (ip_address((10 << 24) + 2 * n),)) for n in range(5_500)
    )
    many = Cluster(**{**vars(few), "nodes": (*few.nodes, *nodes)})
    made = widest(plan_of(many, [Role.WORKER], Wishes(by_address=True)), "gcp")
    (text,) = render("json", made).files.values()
    assert max(len(one.get("sourceRanges", [])) for one in json.loads(text)) == 5000
    assert len(json.loads(text)) < 10


def test_more_rules_than_the_project_has_are_refused_with_numbers() -> None:
    options = CloudOptions(quotas=(("rules", 5),))
    with pytest.raises(UsageError, match=r"\d+ firewall rules are needed, and the project has 5;"):
        widest(plan_of(cluster(cni=TUNNEL)), "gcp", options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CloudOptions(name="Prod"), "small letters"),
        (CloudOptions(name="p" * 25), "at most 24"),
        (CloudOptions(network="a b"), "the name of a network"),
        (CloudOptions(scope="x;y"), "the id of a project"),
        (CloudOptions(tags=(("a", "b"),)), "carry no labels"),
        (CloudOptions(location="x"), "of no region"),
        (CloudOptions(accounts=(("boss", SA),)), "no role is called 'boss'"),
        (CloudOptions(accounts=(("worker", "x@y"),)), "takes NAME@PROJECT.iam"),
        (CloudOptions(accounts=(("worker", SA), ("multi-master", SA))), "cannot be told apart"),
    ],
)
def test_names_that_google_would_not_take_are_refused(options: CloudOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        widest(plan_of(cluster(cni=TUNNEL)), "gcp", options)


def test_a_rule_without_sources_or_targets_is_for_everybody() -> None:
    text = '[{"name": "open", "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]}]'
    (group,) = parse("gcp", "json", text)
    assert group.name == EVERYBODY
    assert [str(rule.peer) for rule in group.ingress] == ["0.0.0.0/0"]
    found = reach_of([group], {"np-worker": "worker", "np-master": "master"})
    assert {pair[0] for pair, _ in found.spaces} == {"worker", "master"}


def test_disabled_rules_and_egress_let_in_nothing_and_denials_are_errors() -> None:
    rule = {"name": "r", "allowed": [{"IPProtocol": "all"}], "targetTags": ["t"]}
    for more in ({"disabled": True}, {"direction": "EGRESS"}):
        (group,) = parse("gcp", "json", json.dumps({"items": [{**rule, **more}]}))
        assert group.ingress == ()
    with pytest.raises(ConfigError, match="r: denies, and what is left is not compared"):
        parse("gcp", "json", json.dumps([{**rule, "denied": [{"IPProtocol": "tcp"}]}]))
    text = json.dumps([{**rule, "allowed": [{"IPProtocol": "tcp", "ports": ["70000"]}]}])
    with pytest.raises(ConfigError, match="70000"):
        parse("gcp", "json", text)

"""Many nodes with explicit addresses: what is done grows as they do, and no faster."""

from __future__ import annotations

import sys
from ipaddress import ip_address
from types import FrameType
from typing import Any

import pytest

from rules.cloud import CLOUDS, load
from rules.cloud.document import CloudOptions, CloudRules
from rules.cloud.plan import Wishes
from rules.cloud.rivals import Rivals
from rules.cloud.witness import witness
from rules.cluster import Cluster, CniChoice, Node, Role
from rules.errors import UsageError
from rules.render.cloud import cloud_rules, formats, render
from tests.rules.cloud.plans import carried, plan_of, widest
from tests.rules.render.clusters import cluster

# Twice as many nodes are twice as many lines of Python, and what does not depend on nodes.
SIZES = (100, 200)
MOST_GROWTH = 2.1


def many(count: int, cni: str) -> Cluster:
    """Pods of a bridge are routed, so every protocol is let in from every node."""
    made = cluster(families=(4,), cni=CniChoice(cni), external_etcd=False)
    # No two of them are one network.
    workers = tuple(
        Node(f"w{n}", Role.WORKER, (ip_address((10 << 24) + 2 * n),)) for n in range(count)
    )
    masters = tuple(node for node in made.nodes if node.role is Role.MULTI_MASTER)
    return Cluster(**{**vars(made), "nodes": (*masters, *workers)})


def made_of(cloud: str, count: int, cni: str) -> CloudRules:
    plan = carried(plan_of(many(count, cni), None, Wishes(by_address=True)), cloud)
    quotas = dict.fromkeys(load(cloud).QUOTAS, 10**9)
    return widest(plan, cloud, CloudOptions(quotas=tuple(quotas.items())))


def everything(cloud: str, count: int, cni: str) -> None:
    rules = made_of(cloud, count, cni)
    for form in formats(cloud):
        # It has room for 500 resources, a rule each.
        if form != "cloudformation":
            render(form, rules)
    rivals = Rivals(rules.rules)
    for rule in rules.rules:
        assert witness(rule, list(rivals.near(rule))) is not None


def lines(cloud: str, count: int, cni: str) -> int:
    """How many lines of Python are run; each turn of a comprehension is one."""
    found = 0

    def traced(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal found
        found += event == "line"
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        everything(cloud, count, cni)
    finally:
        sys.settrace(before)
    return found


@pytest.mark.sweep
@pytest.mark.parametrize("cni", ["bridge", "flannel"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_twice_the_nodes_are_twice_the_work(cloud: str, cni: str) -> None:
    everything(cloud, 2, cni)  # what is imported and compiled once does not count
    small, large = (lines(cloud, count, cni) for count in SIZES)
    assert large < MOST_GROWTH * small, (small, large)


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        ("aws", "worker needs [0-9]{4} IPv4 and 0 IPv6 inbound rules, so [0-9]+ security groups"),
        ("openstack", "[0-9]{4} security rules are needed .*, and a project has 100"),
        ("capa", "[0-9]{4} of 60 inbound IPv4 rules"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_number(cloud: str, said: str) -> None:
    plan = plan_of(many(1_000, "flannel"), None, Wishes(by_address=True))
    with pytest.raises(UsageError, match=said):
        cloud_rules(cloud, plan, allowed={grant.flow for grant in plan.grants})

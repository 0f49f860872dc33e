"""Plans for the tests of clouds: a cluster with each pod network, and random ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, reduce
from ipaddress import ip_address
from operator import or_

from hypothesis import strategies as st

from rules.cloud import load
from rules.cloud.document import CloudOptions, CloudRules
from rules.cloud.found import reach_of
from rules.cloud.plan import CloudPlan, Wishes, cluster_roles, make_plan
from rules.cloud.reach import Reach
from rules.cluster import Cluster, CniChoice, Node, Role
from rules.parse.cloud import parse
from rules.policy import policy
from rules.render.cloud import cloud_rules, render
from tests.rules.render.clusters import CHOICES, cluster, clusters


def plan_of(
    made: Cluster, receivers: Iterable[Role] | None = None, wishes: Wishes | None = None
) -> CloudPlan:
    members = cluster_roles(made)
    policies = {role: policy(role, made) for role in members}
    return make_plan(policies, tuple(receivers or members), wishes)


def plan_for(
    cloud: str, made: Cluster, receivers: Iterable[Role] | None = None, *, by_address: bool = False
) -> CloudPlan:
    """The plan of a cluster that the cloud can have, without the flows that it cannot carry."""
    module = load(cloud)
    if module.WHOLE:
        made = _without_etcd(made)
        receivers = None
    wishes = Wishes(by_address=by_address or not module.ABILITIES.references)
    return carried(plan_of(made, receivers, wishes), cloud)


def _without_etcd(made: Cluster) -> Cluster:
    """As Cluster API has them: one kind of master with its etcd, and some worker."""
    nodes = [node for node in made.nodes if node.role in (Role.MULTI_MASTER, Role.WORKER)]
    if not any(node.role is Role.WORKER for node in nodes):
        address = "192.0.2.250" if 4 in made.families else "2001:db8::250"
        nodes.append(Node("worker", Role.WORKER, (ip_address(address),)))
    return Cluster(**{**vars(made), "nodes": tuple(nodes), "external_etcd": False})


@cache
def every_plan(cloud: str, families: tuple[int, ...] = (4, 6)) -> dict[CniChoice, CloudPlan]:
    """All roles at once with each pod network; of those that need the same, the first."""
    found: dict[str, tuple[CniChoice, CloudPlan]] = {}
    for choice in CHOICES:
        plan = plan_for(cloud, cluster(families=families, cni=choice, external_etcd=True))
        found.setdefault(plan.digest, (choice, plan))
    return dict(found.values())


def carried(plan: CloudPlan, cloud: str) -> CloudPlan:
    """The plan without the flows that no rule of the cloud carries, whatever its width."""
    abilities = load(cloud).ABILITIES
    refused = dict(abilities.refused)
    named = abilities.protocols if not abilities.everything else None
    kept = tuple(
        grant
        for grant in plan.grants
        if (grant.family, grant.protocol) not in refused
        and (named is None or grant.protocol in named)
    )
    return CloudPlan(**{**vars(plan), "grants": kept})


def widest(plan: CloudPlan, cloud: str, options: CloudOptions | None = None) -> CloudRules:
    """The rules of a plan, every widening allowed, with room for all of them."""
    room = CloudOptions(quotas=(("rules", 1000),)) if cloud == "openstack" else CloudOptions()
    chosen = options or room
    allowed = {grant.flow for grant in plan.grants}
    return cloud_rules(cloud, plan, chosen, allowed=allowed, version="1.2.3")


def read_back(rules: CloudRules, form: str) -> Reach:
    """What the artefact of one format lets in, as its parser reads it."""
    (text,) = render(form, rules).files.values()
    groups = parse(rules.cloud, form, text)
    return reach_of(groups, load(rules.cloud).roles(rules), rules.plan.families)


def wanted(rules: CloudRules) -> Reach:
    """What the plan grants, and what was allowed beyond it."""
    extra = reduce(or_, (item.extra for item in rules.widenings), Reach())
    return Reach.of_grants(rules.plan.grants) | extra


def plans() -> st.SearchStrategy[CloudPlan]:
    """Plans of random clusters that have somebody for every group they need."""
    return clusters().map(plan_of)

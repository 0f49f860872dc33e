"""Plans for the tests of clouds: a cluster with each pod network, and random ones."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_

from hypothesis import strategies as st

from rules.cloud import load
from rules.cloud.document import CloudOptions, CloudRules
from rules.cloud.found import reach_of
from rules.cloud.plan import CloudPlan, Wishes, cluster_roles, make_plan
from rules.cloud.reach import Reach
from rules.cluster import Cluster, CniChoice, Role
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


def every_plan(families: tuple[int, ...] = (4, 6)) -> dict[CniChoice, CloudPlan]:
    """All roles at once with each pod network; of those that need the same, the first."""
    found: dict[str, tuple[CniChoice, CloudPlan]] = {}
    for choice in CHOICES:
        plan = plan_of(cluster(families=families, cni=choice, external_etcd=True))
        found.setdefault(plan.digest, (choice, plan))
    return dict(found.values())


def carried(plan: CloudPlan, cloud: str) -> CloudPlan:
    """The plan without the flows that no rule of the cloud carries, whatever its width."""
    refused = dict(load(cloud).ABILITIES.refused)
    kept = tuple(g for g in plan.grants if (g.family, g.protocol) not in refused)
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

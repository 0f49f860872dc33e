"""parse(render(plan)) is the plan: every cloud, format, pod network and role."""

from __future__ import annotations

import os
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.cloud import CLOUDS, load
from rules.cloud.document import CloudOptions
from rules.cloud.plan import Wishes
from rules.cloud.reach import Reach
from rules.cloud.witness import witness
from rules.cluster import Cluster, CniChoice, Node, Role
from rules.errors import UsageError
from rules.render.cloud import cloud_rules, formats, render
from tests.rules.cloud.plans import every_plan, plan_for, plan_of, read_back, wanted, widest
from tests.rules.render.clusters import cluster, clusters

CLOUD_FORMATS = [(cloud, form) for cloud in CLOUDS for form in formats(cloud)]
TUNNEL = CniChoice("flannel", "vxlan")


@pytest.mark.sweep
@pytest.mark.parametrize("turn", range(len(CLOUD_FORMATS)))
def test_every_pod_network(turn: int) -> None:
    """Each plan with one format in turn; NODEPREP_EVERY=1: with all of them."""
    cloud, form = CLOUD_FORMATS[turn]
    every = os.environ.get("NODEPREP_EVERY") == "1"
    for families in ((4,), (4, 6)):
        for number, (choice, plan) in enumerate(every_plan(cloud, families).items()):
            if every or number % len(CLOUD_FORMATS) == turn:
                made = widest(plan, cloud)
                assert read_back(made, form) == wanted(made), (choice, families)
                assert all(witness(rule, made.rules) for rule in made.rules), choice


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("cloud", "form"), CLOUD_FORMATS)
def test_each_role_by_itself(cloud: str, form: str, role: Role) -> None:
    """The groups of the other roles are made elsewhere, and the rules still name them."""
    bare = cluster(cni=TUNNEL, external_etcd=True)
    single = Node("m", Role.MASTER, (ip_address("192.0.2.99"),))
    made = Cluster(**{**vars(bare), "nodes": (*bare.nodes, single)})
    if load(cloud).WHOLE:
        with pytest.raises(UsageError, match="is of a whole cluster"):
            widest(plan_of(made, [role], Wishes(by_address=True)), cloud)
        return
    rules = widest(plan_for(cloud, made, [role]), cloud)
    assert {rule.receiver for rule in rules.rules} == {role.value}
    assert read_back(rules, form) == wanted(rules)


@pytest.mark.parametrize(("cloud", "form"), CLOUD_FORMATS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=clusters(), by_address=st.booleans())
def test_random_clusters(cloud: str, form: str, made: Cluster, by_address: bool) -> None:
    # A template of CloudFormation has no room for that many rules.
    plan = plan_for(cloud, made, by_address=by_address and form != "cloudformation")
    roomy = CloudOptions(quotas=tuple((name, 1000) for name in load(cloud).QUOTAS))
    rules = widest(plan, cloud, roomy)
    assert read_back(rules, form) == wanted(rules)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_all_formats_of_a_cloud_and_all_clouds_say_the_same(cloud: str) -> None:
    plan = plan_for(cloud, cluster(cni=TUNNEL))
    made = widest(plan, cloud)
    for form in formats(cloud):
        found = read_back(made, form)
        assert Reach.of_grants(plan.grants) <= found
        assert found == wanted(made)


@pytest.mark.parametrize(("cloud", "form"), CLOUD_FORMATS)
def test_an_artefact_says_what_it_costs_and_what_is_wider(cloud: str, form: str) -> None:
    made = widest(plan_for(cloud, cluster(cni=CniChoice("flannel", "host-gw"))), cloud)
    text = "".join(render(form, made).files.values())
    if form in ("json", "arm"):
        return  # these have no place for it; -o json does
    for line in made.remarks:
        assert line.split(":")[0] in text


def test_unknown_clouds_and_formats_are_named() -> None:
    plan = plan_of(cluster(cni=TUNNEL))
    with pytest.raises(UsageError, match="known are aws, gcp, azure, openstack, capa"):
        cloud_rules("stratus", plan)
    with pytest.raises(UsageError, match="aws has no format called 'arm'; there are terraform"):
        render("arm", cloud_rules("aws", plan))

"""What a plan holds: references, addresses, pods where they show, and nothing else."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given, settings

from rules.access import Hook, admissions
from rules.cloud.peer import named_peer, role_peer
from rules.cloud.plan import (
    NODES_TO_PODS,
    PODS_TO_PODS,
    CloudPlan,
    Wishes,
    cluster_roles,
)
from rules.cloud.reach import Reach, real
from rules.cloud.rule import Place
from rules.cluster import Cluster, CniChoice, IPNetwork, Role
from rules.errors import UsageError
from rules.flows import Group
from rules.policy import policy
from rules.policyspace import boxes, to_pods_space
from rules.space import Space
from tests.rules.cloud.plans import plan_of, plans
from tests.rules.render.clusters import CHOICES, cluster

TUNNEL, ROUTED = CniChoice("flannel", "vxlan"), CniChoice("flannel", "host-gw")


def members(made: Cluster) -> dict[str, list[IPNetwork]]:
    """The addresses behind each role's key."""
    return {
        role_peer(role.value).key: [
            ip_network(address)
            for node in made.nodes
            if node.role is role
            for address in node.addresses
        ]
        for role in Role
    }


def check_host(made: Cluster, plan: CloudPlan) -> None:
    """With addresses for its roles, the plan lets in what hosts' own firewalls do."""
    reach = Reach.of_grants(plan.grants)
    for role in cluster_roles(made):
        chosen = policy(role, made)
        host = Space.of(boxes(one for one in admissions(chosen) if one.hook is Hook.INPUT))
        assert reach.on_addresses(role.value, Place.NODE, members(made)) == host
        if any(grant.place is Place.PODS for grant in plan.grants) and role.runs_kubelet:
            here = reach.on_addresses(role.value, Place.PODS, members(made))
            pods = real(to_pods_space(chosen))
            # NodePorts are translated behind the cloud, and what goes to a node is not said again.
            assert pods - host == here - host


@pytest.mark.sweep
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: f"{choice.name}-{choice.mode}")
def test_a_plan_is_what_hosts_let_in(choice: CniChoice) -> None:
    made = cluster(families=(4, 6), cni=choice, external_etcd=True)
    check_host(made, plan_of(made))


@settings(max_examples=25, deadline=None)
@given(plans())
def test_a_random_plan_is_what_hosts_let_in(plan: CloudPlan) -> None:
    check_host(plan.cluster, plan)


def test_nodes_are_named_by_their_groups_and_need_no_addresses() -> None:
    bare = cluster(cni=TUNNEL)
    made = Cluster(**{**vars(bare), "nodes": ()})
    plan = plan_of(made)
    assert plan.members == ("worker", "multi-master")
    peers = {peer.name for grant in plan.grants for peer in grant.peers}
    assert peers == {"worker", "multi-master"}
    assert {net for grant in plan.grants for net in grant.networks} == {
        ip_network(text) for text in ("0.0.0.0/0", "10.244.0.0/16", "203.0.113.0/24")
    }


def test_pods_show_only_where_no_tunnel_wraps_them() -> None:
    flows = {grant.flow for grant in plan_of(cluster(cni=TUNNEL)).grants}
    assert not flows & {PODS_TO_PODS, NODES_TO_PODS, "control-plane-to-pods"}
    routed = plan_of(cluster(cni=ROUTED))
    pods = {grant.flow for grant in routed.grants if grant.place is Place.PODS}
    assert pods == {PODS_TO_PODS, NODES_TO_PODS, "control-plane-to-pods"}


def test_a_node_port_is_let_in_once_and_to_workers_alone() -> None:
    plan = plan_of(cluster(cni=ROUTED))
    places = {(g.receiver, g.place) for g in plan.grants if g.flow.startswith("node-ports")}
    assert places == {("worker", Place.NODE)}


def test_by_address_names_no_group() -> None:
    made = cluster(families=(4, 6), cni=TUNNEL)
    plan = plan_of(made, wishes=Wishes(by_address=True))
    assert not any(grant.peers for grant in plan.grants)
    by_group = Reach.of_grants(plan_of(made).grants)
    for role in cluster_roles(made):
        assert Reach.of_grants(plan.grants).on_addresses(
            role.value, Place.NODE, {}
        ) == by_group.on_addresses(role.value, Place.NODE, members(made))


def test_added_addresses_of_a_group_stand_beside_its_reference() -> None:
    bare = cluster(cni=TUNNEL)
    extra = ip_network("198.51.100.0/28")
    made = Cluster(**{**vars(bare), "group_networks": (("masters", (extra,)),)})
    (grant,) = [
        g for g in plan_of(made).grants if g.flow == "kubelet-api" and g.receiver == "worker"
    ]
    assert grant.peers == (role_peer("multi-master"),)
    assert grant.networks == (extra,)


def test_a_peer_of_the_clouds_own_sends_what_its_group_does() -> None:
    balancer = named_peer("sg-0123456789abcdef0")
    wishes = Wishes(peers=((Group.LOAD_BALANCERS, balancer),))
    plan = plan_of(cluster(cni=TUNNEL), wishes=wishes)
    flows = {grant.flow for grant in plan.grants if balancer in grant.peers}
    assert flows == {
        "kube-apiserver", "kube-proxy-healthz", "node-ports-tcp", "node-ports-udp", "icmp-echo",
    }  # fmt: skip


def test_unknown_pods_and_unknown_flows_are_refused() -> None:
    bare = cluster(cni=TUNNEL)
    made = Cluster(**{**vars(bare), "pod_subnets": ()})
    with pytest.raises(
        UsageError, match=r"comes from pods, and no address of them is known.*podSubnet"
    ):
        plan_of(made)
    with pytest.raises(UsageError, match="no flow of these roles is called 'sssh'"):
        plan_of(bare, wishes=Wishes(leave_out=frozenset({"sssh"})))


def test_what_is_left_out_is_not_there_and_changes_the_digest() -> None:
    made = cluster(cni=TUNNEL)
    plan, less = plan_of(made), plan_of(made, wishes=Wishes(leave_out=frozenset({"icmp-errors"})))
    assert {g.flow for g in plan.grants} - {g.flow for g in less.grants} == {"icmp-errors"}
    assert plan.digest != less.digest
    assert plan.digest == plan_of(made).digest


def test_one_role_keeps_the_references_to_the_others() -> None:
    plan = plan_of(cluster(cni=TUNNEL), receivers=[Role.WORKER])
    assert {grant.receiver for grant in plan.grants} == {"worker"}
    assert role_peer("multi-master") in {p for grant in plan.grants for p in grant.peers}

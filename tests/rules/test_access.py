"""Who may send: groups, merged lists, what no host can do without, and what must be named."""

from __future__ import annotations

from ipaddress import collapse_addresses, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.access import (
    Hook,
    Senders,
    admissions,
    group_networks,
    lacking_groups,
    let_through,
    merged,
    pod_traffic,
)
from rules.cluster import Cluster, IPNetwork, Node, Role, Sources
from rules.errors import UsageError
from rules.flows import Group
from rules.policy import policy
from rules.policyspace import from_pods_space, input_space, to_pods_space
from rules.space import Box, Packet, Space
from tests.rules.render.clusters import cluster, networks, policies


@given(
    v4=st.lists(networks(4), max_size=30),
    v6=st.lists(networks(6), max_size=30),
    whole=st.booleans(),
)
def test_lists_merge_as_the_standard_library_merges_them(
    v4: list[IPNetwork], v6: list[IPNetwork], whole: bool
) -> None:
    if whole:
        v4.append(ip_network("0.0.0.0/0"))
    both = [*v6, *v4]
    for family, listed in ((4, v4), (6, v6)):
        assert merged(both, family) == tuple(collapse_addresses(listed))  # type: ignore[type-var]


def test_groups_are_nodes_of_a_role_and_what_was_named() -> None:
    extra = ip_network("198.51.100.0/24")
    made = Cluster(
        nodes=(
            Node("m1", Role.MASTER, (ip_address("192.0.2.1"), ip_address("2001:db8::1"))),
            Node("w1", Role.WORKER, (ip_address("192.0.2.2"),)),
            Node("e1", Role.ETCD, (ip_address("192.0.2.3"),)),
        ),
        group_networks=(("masters", (extra,)),),
    )

    def names(group: Group, of: Cluster = made) -> set[str]:
        return {str(network) for network in group_networks(group, of)}

    masters = {"192.0.2.1/32", "2001:db8::1/128", "198.51.100.0/24"}
    assert names(Group.MASTERS) == masters
    assert names(Group.WORKERS) == {"192.0.2.2/32"}
    assert names(Group.NODES) == masters | {"192.0.2.2/32"}
    assert names(Group.ETCD) == masters
    external = Cluster(**{**vars(made), "external_etcd": True})
    assert names(Group.ETCD, external) == {"192.0.2.3/32"}
    assert names(Group.SELF) == set()
    assert names(Group.ANYWHERE) == {"0.0.0.0/0", "::/0"}


def test_every_host_lets_in_errors_neighbours_leases_and_operators_in_both_families() -> None:
    made = policy(Role.WORKER, cluster(sources=Sources(admins=(ip_network("2001:db8:ad::/64"),))))
    wanted = {(one.flow, one.family) for one in admissions(made)}
    found = {(one.flow, one.family) for one in let_through(made)}
    assert ("icmp-errors", 4) in wanted
    assert found - wanted == {
        ("icmpv6-errors", 6),
        ("icmpv6-neighbours", 6),
        ("icmpv6-multicast", 6),
        ("ssh", 6),
        ("dhcp-client", 4),
        ("dhcpv6-client", 6),
    }
    assert wanted <= found
    assert len(let_through(made)) == len({(o.flow, o.family, o.hook) for o in let_through(made)})


def test_pods_are_forwarded_where_a_kubelet_runs() -> None:
    made = cluster(families=(4, 6), external_etcd=True)
    assert pod_traffic(policy(Role.ETCD, made)) == ()
    four, six = pod_traffic(policy(Role.WORKER, made))
    assert (four.family, six.family) == (4, 6)
    assert four.pods == (ip_network("10.244.0.0/16"),)
    assert ip_network("192.0.2.12/30") in four.nodes


def test_missing_groups_are_all_named_at_once() -> None:
    bare = policy(Role.WORKER, Cluster())
    assert lacking_groups(bare) == (Group.ETCD, Group.MASTERS, Group.NODES, Group.PODS)
    with pytest.raises(UsageError, match="name them in the cluster file"):
        admissions(bare)
    named = Cluster(
        group_networks=(("masters", (ip_network("192.0.2.0/24"),)),),
        pod_subnets=(ip_network("10.244.0.0/16"),),
    )
    assert lacking_groups(policy(Role.WORKER, named)) == ()


def test_lists_of_the_same_groups_are_one_object() -> None:
    senders = Senders(cluster(workers=50))
    groups = frozenset({Group.NODES, Group.ADMINS})
    assert senders.merged(groups, 4) is senders.merged(groups, 4)


@given(chosen=policies())
def test_a_policys_space_is_that_of_what_it_lets_through(chosen: object) -> None:
    from rules.policy import Policy

    assert isinstance(chosen, Policy)
    space = input_space(chosen)
    for one in let_through(chosen):
        if one.hook is Hook.INPUT:
            port = one.ports[1] if one.ports else (one.icmp_types or (0,))[-1]
            at = one.sources[-1].network_address
            assert Packet(one.family, one.protocol.number, at, port) in space
    pods = pod_traffic(chosen)
    everything = Space.of(
        Box.of(network, number)
        for item in pods
        for network in (*item.pods, *item.nodes)
        for number in (0, 1, 6, 58, 132, 255)
    )
    assert everything <= to_pods_space(chosen)
    assert bool(from_pods_space(chosen)) == bool(pods)

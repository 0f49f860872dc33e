"""What is expected, and which probes are sent to see it. Pure."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from rules.cluster import Role
from rules.policy import policy
from rules.proof.expected import EVERYTHING, NOTHING, Expected, keys_of
from rules.proof.probeplan import HANDS, MANY, Depth, Probes, make_probes
from rules.proof.sweep import ALL_NETWORKS, Case, covering, every_case, sample_cluster
from rules.proof.way import Kind, Way
from rules.render import Posture
from tests.rules.proof.seeds import CLUSTER, WORKER

MASTER, OTHER, ADMIN = map(ip_address, ("192.0.2.11", "8.8.8.8", "203.0.113.9"))
POD, CLIENT = ip_address("10.244.3.4"), ip_address("198.51.100.7")
ENFORCED = Expected(WORKER, Posture.ENFORCE, "nftables")
ALLOWED = Expected(WORKER, Posture.ALLOW, "iptables-nft")


def probes(*texts: str, depth: Depth = Depth.ENDS, family: int = 4) -> Probes:
    return make_probes(WORKER, ENFORCED, family, texts, depth)


@pytest.mark.parametrize("expected", [ENFORCED, ALLOWED])
def test_the_node_gets_what_each_sender_may_send(expected: Expected) -> None:
    assert expected.keys(Way.INPUT, ADMIN, Kind.TCP) == ((22, 22),)
    assert (10250, 10250) in expected.keys(Way.INPUT, MASTER, Kind.TCP)
    assert expected.keys(Way.INPUT, OTHER, Kind.TCP) == NOTHING
    assert expected.keys(Way.INPUT, OTHER, Kind.UDP) == ((68, 68),)
    assert expected.keys(Way.INPUT, CLIENT, Kind.UDP) == ((68, 68), (30000, 32767))
    assert expected.keys(Way.INPUT, OTHER, Kind.PROTOCOL) == NOTHING
    assert expected.keys(Way.INPUT, OTHER, Kind.ICMP) == (
        (3 << 8, 3 << 8 | 255),
        (11 << 8, 12 << 8 | 255),
    )


def test_translated_probes_are_judged_by_what_they_asked_for() -> None:
    assert ENFORCED.keys(Way.INPUT_DNAT, CLIENT, Kind.TCP) == ((30000, 32767),)
    assert ENFORCED.keys(Way.INPUT_DNAT, MASTER, Kind.TCP) == NOTHING
    assert ENFORCED.keys(Way.FORWARD_DNAT, CLIENT, Kind.UDP) == ((30000, 32767),)
    assert ENFORCED.keys(Way.FORWARD_DNAT, OTHER, Kind.UDP) == NOTHING
    assert ENFORCED.keys(Way.FORWARD_DNAT, MASTER, Kind.UDP) == EVERYTHING


def test_what_is_forwarded_depends_on_the_posture() -> None:
    assert ENFORCED.keys(Way.FORWARD, POD, Kind.TCP) == EVERYTHING
    assert ENFORCED.keys(Way.FORWARD, OTHER, Kind.TCP) == NOTHING
    assert ENFORCED.keys(Way.TRANSIT, OTHER, Kind.TCP) == EVERYTHING
    assert ALLOWED.keys(Way.TRANSIT, OTHER, Kind.TCP) == NOTHING
    assert ALLOWED.keys(Way.TRANSIT, POD, Kind.TCP) == EVERYTHING
    assert ENFORCED.reaches(MASTER, POD)
    assert not ENFORCED.reaches(OTHER, POD)
    assert ENFORCED.reaches(OTHER, ip_address("10.245.0.0"))


def test_a_table_of_nftables_closes_nothing_under_allow() -> None:
    expected = Expected(WORKER, Posture.ALLOW, "nftables")
    assert all(expected.keys(way, OTHER, kind) == EVERYTHING for way in Way for kind in Kind)


def test_an_icmp_row_of_the_other_family_is_a_bare_protocol() -> None:
    assert keys_of(1, None, (8,), 6, Kind.ICMP) == []
    assert keys_of(1, None, (8,), 6, Kind.PROTOCOL) == [(1, 1)]
    assert keys_of(58, None, (135,), 6, Kind.ICMP) == [(135 << 8, 135 << 8 | 255)]


def test_every_group_and_somebody_of_none_send() -> None:
    senders = {name: each.address for each in probes().senders for name in each.groups}
    assert set(senders) == {
        "masters", "workers", "nodes", "etcd-members", "pods", "admins", "node-port-clients",
        "outside",
    }  # fmt: skip
    assert senders["admins"] in ip_network("203.0.113.0/24")
    assert not any(senders["outside"] in network for network in ENFORCED.networks)


def test_the_edges_of_what_policy_and_rules_name_send_too() -> None:
    edges = {str(address) for address in probes("-s 172.16.0.0/12 -j ACCEPT\n").edges}
    assert {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"} <= edges
    assert {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"} <= edges
    edges = {str(address) for address in probes("ip6 saddr 2a00:1::/32", family=6).edges}
    assert {"2a00:1::", "2a00:0:ffff:ffff:ffff:ffff:ffff:ffff"} <= edges


def test_the_ends_of_what_policy_and_rules_name_are_sent() -> None:
    made = probes("tcp dport { 4711, 5000-5010 } accept # 8.1.2.3 12:13::14")
    hands = [made.keys_of(Way.INPUT, number) for number in range(HANDS)]
    for keys in hands:
        assert {0, 21, 22, 23, 10249, 10250, 10251, 29999, 32768, 65535} <= set(keys[Kind.TCP])
        assert {4710, 4711, 4712, 4999, 5000, 5010, 5011} <= set(keys[Kind.TCP])
    assert MANY <= len({port for keys in hands for port in keys[Kind.TCP]}) < MANY + 100
    keys = made.keys_of(Way.INPUT, HANDS)
    assert keys == hands[0] != hands[1]
    assert set(range(256)) == {key >> 8 for key in keys[Kind.ICMP]}
    assert len(keys[Kind.PROTOCOL]) == 256 - 4
    assert not {0, 43, 44, 60} & set(probes(family=6).keys_of(Way.INPUT, 0)[Kind.PROTOCOL])


def test_all_ports_are_sent_where_that_is_asked_for() -> None:
    made = probes(depth=Depth.EVERY)
    for way in (Way.INPUT, Way.FORWARD, Way.FORWARD_DNAT):
        for kind in (Kind.TCP, Kind.UDP):
            assert made.keys_of(way, 0)[kind] == tuple(range(65536))
    assert len(made.keys_of(Way.INPUT, 0)[Kind.ICMP]) == 256 * 16
    assert len(made.keys_of(Way.TRANSIT, 0)[Kind.TCP]) < 1000


def test_too_many_edges_are_sampled_and_said() -> None:
    many = "".join(f"-s 11.{high}.{low}.7/32\n" for high in range(20) for low in range(10))
    made = probes(many)
    assert made.sampled_edges
    assert len(made.edges) == 400
    assert not probes().sampled_edges


def test_no_address_of_the_scratch_node_is_one_that_sends() -> None:
    everywhere = replace(
        CLUSTER, sources=replace(CLUSTER.sources, admins=(ip_network("0.0.0.0/0"),))
    )
    wide = policy(Role.WORKER, everywhere)
    made = make_probes(wide, Expected(wide, Posture.ENFORCE, "nftables"), 4, (), Depth.ENDS)
    own = {made.layout.node, made.layout.pod, *made.layout.ways.values()}
    assert not own & {*made.edges, *(sender.address for sender in made.senders)}
    assert len(own) == len(made.layout.ways) + 1


@pytest.mark.sweep
def test_all_cases_cover_every_role_network_backend_and_posture() -> None:
    cases = every_case()
    whole = [case for case in cases if case.depth is not Depth.ENDS]
    assert len(whole) == 4 * 2 * 3 * 2
    assert all(case.weight >= 6 for case in cases[: len(whole)])

    def names(case: Case) -> set[str]:
        return {name.split(":")[-1].split("/")[0] for name in case.networks}

    named = set().union(*map(names, cases))
    assert {"bridge", "flannel", "calico", "cilium", "antrea", "weave", ALL_NETWORKS} <= named
    assert {(case.backend, case.posture) for case in covering()} == {
        (case.backend, case.posture) for case in cases
    }


def test_the_sample_cluster_has_a_member_in_every_group() -> None:
    cluster = sample_cluster()
    assert cluster.families == (4, 6)
    assert all(vars(cluster.sources).values())

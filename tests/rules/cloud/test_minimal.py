"""The fewest rules: they let in the same, and each has a packet of its own."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.access import merged
from rules.cloud.abilities import Abilities
from rules.cloud.minimal import minimise
from rules.cloud.peer import named_peer, network_peer, role_peer
from rules.cloud.reach import Reach
from rules.cloud.rule import Grant, Place, Rule
from rules.cloud.witness import witness
from rules.cluster import IPNetwork
from rules.space import last_port
from tests.rules.cloud.plans import plans, widest
from tests.rules.render.clusters import networks

JOINED = Abilities("a cloud", frozenset({6, 17}))
SPLIT = Abilities("a cloud", frozenset({6, 17}), destinations=True, family_references=True)
PEERS = (role_peer("worker"), role_peer("multi-master"), named_peer("sg-1"))
ANYWHERE = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


@st.composite
def grants(draw: st.DrawFn, *, family: int, places: tuple[Place, ...]) -> Grant:
    protocol = draw(st.sampled_from([6, 6, 17, 1 if family == 4 else 58, 50, None]))
    first = draw(st.integers(0, 12))
    last = draw(st.integers(first, 14))
    whole = protocol is None or last_port(protocol) == 0 or draw(st.integers(0, 9)) == 0
    listed: list[IPNetwork] = draw(st.lists(networks(family), max_size=4))
    if draw(st.integers(0, 5)) == 0:
        listed.append(ANYWHERE[family])
    peers = draw(st.lists(st.sampled_from(PEERS), max_size=2, unique=True))
    return Grant(
        f"flow-{draw(st.integers(0, 5))}",
        draw(st.sampled_from(["worker", "multi-master"])),
        draw(st.sampled_from(places)),
        family,
        protocol,
        None if whole else (first, last),
        tuple(peers),
        merged(listed, family),
    )


def check(listed: list[Grant], families: tuple[int, ...], abilities: Abilities) -> None:
    rules = minimise(listed, families, abilities)
    assert Reach.of_rules(rules, families) == Reach.of_grants(listed)
    for rule in rules:
        found = witness(rule, rules)
        assert found is not None, (rule, rules)
        rest = Reach.of_rules((one for one in rules if one is not rule), families)
        assert rest != Reach.of_grants(listed)


@settings(max_examples=25, deadline=None)
@given(st.lists(grants(family=4, places=tuple(Place)), max_size=8))
def test_random_grants_of_one_family(listed: list[Grant]) -> None:
    check(listed, (4,), SPLIT)
    check(listed, (4,), JOINED)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from([4, 6]).flatmap(lambda family: grants(family=family, places=tuple(Place))),
        max_size=8,
    )
)
def test_random_grants_of_two_families(listed: list[Grant]) -> None:
    check(listed, (4, 6), SPLIT)


@settings(max_examples=25, deadline=None)
@given(st.lists(grants(family=4, places=(Place.NODE,)), max_size=8), st.data())
def test_references_that_hold_for_both_families(listed: list[Grant], data: st.DataObject) -> None:
    more = [
        grant.but(family=6, networks=()) for grant in listed if grant.peers and grant.protocol != 1
    ]
    more += data.draw(
        st.lists(grants(family=6, places=(Place.NODE,)).map(lambda g: g.but(peers=())), max_size=4)
    )
    check([*listed, *more], (4, 6), JOINED)


@settings(max_examples=10, deadline=None)
@given(plans().map(lambda plan: widest(plan, "aws")))
def test_every_rule_of_a_cluster_has_its_witness(made: object) -> None:
    rules = made.rules  # type: ignore[attr-defined]
    assert all(witness(rule, rules) for rule in rules)


def grant(
    sources: tuple[str, ...], ports: tuple[int, int], flow: str = "flow", protocol: int = 6
) -> Grant:
    listed = merged([ip_network(text) for text in sources], 4)
    return Grant(flow, "worker", Place.NODE, 4, protocol, ports, (), listed)


def shown(*listed: Grant) -> list[tuple[str, tuple[int, int] | None, tuple[str, ...]]]:
    return [(str(r.peer), r.ports, r.flows) for r in minimise(listed, (4,), JOINED)]


def test_adjacent_ports_and_networks_merge_and_keep_their_flows() -> None:
    assert shown(
        grant(("192.0.2.0/25",), (2379, 2379), "etcd-client"),
        grant(("192.0.2.128/25",), (2379, 2379), "etcd-more"),
        grant(("192.0.2.0/24",), (2380, 2380), "etcd-peer"),
    ) == [("192.0.2.0/24", (2379, 2380), ("etcd-client", "etcd-more", "etcd-peer"))]


def test_what_anybody_may_is_not_said_again() -> None:
    assert shown(
        grant(("0.0.0.0/0",), (30000, 32767), "node-ports"),
        grant(("192.0.2.0/24",), (30000, 30010), "some"),
        grant(("192.0.2.0/24",), (22, 22), "ssh"),
    ) == [
        ("0.0.0.0/0", (30000, 32767), ("node-ports", "some")),
        ("192.0.2.0/24", (22, 22), ("ssh",)),
    ]


def test_a_narrower_sender_does_not_cut_a_wider_one_to_pieces() -> None:
    rules = shown(grant(("0.0.0.0/0",), (443, 443)), grant(("192.0.2.0/24",), (440, 450)))
    assert [(peer, ports) for peer, ports, _ in rules] == [
        ("0.0.0.0/0", (443, 443)),
        ("192.0.2.0/24", (440, 450)),
    ]


def test_icmp_types_stay_apart() -> None:
    rules = shown(
        grant(("192.0.2.0/24",), (3, 3), protocol=1), grant(("192.0.2.0/24",), (4, 4), protocol=1)
    )
    assert [ports for _, ports, _ in rules] == [(3, 3), (4, 4)]


def test_a_rule_without_packets_of_its_own_has_no_witness() -> None:
    wide = Rule("worker", Place.NODE, (4,), network_peer(ANYWHERE[4]), 6, None)
    narrow = Rule("worker", Place.NODE, (4,), network_peer(ip_network("192.0.2.0/24")), 6, (1, 2))
    member = Rule("worker", Place.NODE, (4, 6), role_peer("worker"), 6, (1, 2))
    assert witness(narrow, [wide, narrow]) is None
    assert witness(narrow, [wide.but(ports=(1, 1)), narrow]) is not None
    halves = [
        narrow.but(peer=network_peer(ip_network(text)))
        for text in ("192.0.2.0/25", "192.0.2.128/25")
    ]
    assert witness(narrow, [narrow, *halves]) is None
    found = witness(member, [wide, member])
    assert found is not None
    assert found.family == 6


@pytest.mark.sweep
def test_ten_thousand_addresses_are_merged_quickly() -> None:
    from time import process_time

    listed = merged([ip_network((10 << 24) + 2 * n) for n in range(10_000)], 4)
    made = [Grant("a", "worker", Place.NODE, 4, 6, (n, n), (), listed) for n in (1, 3, 5)]
    began = process_time()
    assert len(minimise(made, (4,), JOINED)) == 30_000
    assert process_time() - began < 2


@pytest.mark.parametrize("protocol", [None, 6])
def test_rules_to_pods_leave_out_what_goes_to_the_node(protocol: int | None) -> None:
    node = Grant("a", "worker", Place.NODE, 4, protocol, None, (role_peer("worker"),))
    pods = node.but(place=Place.PODS, protocol=6, ports=(80, 80))
    assert [rule.place for rule in minimise([node, pods], (4,), SPLIT)] == [Place.NODE]
    assert len(minimise([node.but(protocol=17), pods], (4,), SPLIT)) == 2

"""Reach is canonical: equal exactly where the same packets come in."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.cloud.found import FoundGroup, reach_of
from rules.cloud.peer import Peer, named_peer, network_peer, role_peer
from rules.cloud.reach import Reach
from rules.cloud.rule import Place, Rule
from rules.space import EMPTY, Box, Packet, Space

WORKER = role_peer("worker")
V4, V6 = ip_network("0.0.0.0/0"), ip_network("::/0")


def rule(
    peer: Peer,
    ports: tuple[int, int] | None,
    *,
    place: Place = Place.NODE,
    families: tuple[int, ...] = (4,),
    protocol: int | None = 6,
) -> Rule:
    return Rule("master", place, families, peer, protocol, ports)


def reach(*rules: Rule) -> Reach:
    return Reach.of_rules(rules)


def test_a_member_needs_no_rule_for_what_anybody_may() -> None:
    anybody = rule(network_peer(V4), (443, 443))
    assert reach(anybody, rule(WORKER, (443, 443))) == reach(anybody)
    assert reach(anybody, rule(WORKER, (443, 444))) != reach(anybody)
    # Anywhere in two halves is anywhere too.
    halves = [
        rule(network_peer(ip_network(text)), (443, 443)) for text in ("0.0.0.0/1", "128.0.0.0/1")
    ]
    assert reach(*halves, rule(WORKER, (443, 443))) == reach(anybody)
    six = rule(WORKER, (443, 443), families=(6,))
    assert reach(anybody, six) != reach(anybody)


def test_what_goes_to_the_node_goes_to_its_pods() -> None:
    node = rule(WORKER, (80, 90))
    assert reach(node, rule(WORKER, (85, 86), place=Place.PODS)) == reach(node)
    more = reach(node, rule(WORKER, (85, 95), place=Place.PODS))
    assert more.of_pair("master", WORKER.key, Place.PODS) == Space.of([Box.of(V4, 6, (91, 95))])
    anybody = rule(network_peer(V4), (85, 95))
    assert reach(node, anybody, rule(WORKER, (91, 95), place=Place.PODS)) == reach(node, anybody)
    # Anywhere, one part of it to the node and all of it to pods, is anywhere to pods.
    part = rule(network_peer(ip_network("192.0.2.0/24")), (85, 85))
    pods = rule(network_peer(V4), (85, 85), place=Place.PODS)
    member = rule(WORKER, (85, 85), place=Place.PODS)
    assert reach(part, pods, member) == reach(part, pods)


def test_icmp_of_the_other_family_is_nobodys() -> None:
    both = rule(WORKER, None, families=(4, 6), protocol=1)
    assert reach(both) == reach(rule(WORKER, None, protocol=1))
    six = Reach.of_rules([rule(WORKER, None, families=(6,), protocol=1)])
    assert not six


def test_difference_and_order() -> None:
    wide, narrow = reach(rule(WORKER, (1, 10))), reach(rule(WORKER, (3, 4)))
    assert narrow <= wide
    assert not wide <= narrow
    assert wide - narrow == reach(rule(WORKER, (1, 2)), rule(WORKER, (5, 10)))
    anybody = reach(rule(network_peer(V4), (3, 10)))
    assert narrow <= anybody
    assert wide - anybody == reach(rule(WORKER, (1, 2)))
    assert narrow & anybody == narrow
    assert anybody.for_receiver("worker") == Reach()


def test_names_become_roles_and_strangers_stay_strangers() -> None:
    group = FoundGroup(
        "np-master",
        ingress=(
            Rule("np-master", Place.NODE, (4,), named_peer("np-worker"), 6, (1, 2)),
            Rule("np-master", Place.NODE, (4,), named_peer("sg-other"), 6, (1, 2)),
        ),
    )
    stranger = FoundGroup("other", ingress=group.ingress)
    found = reach_of([group, stranger], {"np-master": "master", "np-worker": "worker"})
    assert found.of_pair("master", "role:worker") == Space.of([Box.of(V4, 6, (1, 2))])
    assert found.of_pair("master", "named:sg-other")
    assert {pair[0] for pair, _ in found.spaces} == {"master"}


PEERS = (
    WORKER,
    network_peer(V4),
    network_peer(ip_network("0.0.0.0/1")),
    network_peer(ip_network("128.0.0.0/1")),
    network_peer(ip_network("192.0.2.0/24")),
)
RULES = st.builds(
    lambda peer, first, width, place: rule(peer, (first, first + width), place=place),
    st.sampled_from(PEERS),
    st.integers(1, 6),
    st.integers(0, 3),
    st.sampled_from(Place),
)


def allows(rules: list[Rule], peer: Peer, port: int, place: Place) -> bool:
    """By looking at the rules one by one, for a member of worker or one address."""
    for one in rules:
        low, high = one.interval
        if not low <= port <= high or one.place not in (place, Place.NODE):
            continue
        if one.peer == peer:
            return True
        net, mine = one.peer.network, peer.network
        if net is not None and mine is not None and mine.network_address in net:
            return True
    halves = [
        network_peer(ip_network(text)) for text in ("0.0.0.0/32", "128.0.0.0/32", "192.0.2.1/32")
    ]
    # A member may have any address, so it may do what all addresses may.
    return peer is WORKER and all(allows(rules, half, port, place) for half in halves)


@settings(max_examples=60, deadline=None)
@given(st.lists(RULES, max_size=6), st.lists(RULES, max_size=6))
def test_algebra_agrees_with_looking_at_every_packet(left: list[Rule], right: list[Rule]) -> None:
    one, two = reach(*left), reach(*right)
    missing = one - two
    differ = False
    for place in Place:
        for port in range(1, 11):
            for peer in (WORKER, network_peer(ip_network("192.0.2.1/32"))):
                mine = allows(left, peer, port, place)
                theirs = allows(right, peer, port, place)
                differ |= mine != theirs
                assert holds(one, peer, port, place) == mine
                either = allows([*left, *right], peer, port, place)
                assert holds(one | two, peer, port, place) == either
                assert holds(one & two, peer, port, place) == (mine and theirs)
                if mine and not theirs:
                    assert missing
    if differ:
        assert one != two


def holds(made: Reach, peer: Peer, port: int, place: Place) -> bool:
    address = ip_network("192.0.2.1/32").network_address
    packet = Packet(4, 6, address, port)
    for at in {place, Place.NODE}:
        if peer.network is not None:
            if packet in made.of_pair("master", "", at):
                return True
        else:
            whole = made.of_pair("master", peer.key, at)
            addresses = made.of_pair("master", "", Place.NODE)
            if at is Place.PODS:
                addresses = addresses | made.of_pair("master", "", Place.PODS)
            ends = Space.of([Box.of(V4, 6, (port, port))])
            if packet in whole or ends <= addresses:
                return True
    return False


def test_empty_reach_is_false() -> None:
    assert not Reach()
    assert Reach().of_pair("a", "b") == EMPTY
    assert reach(rule(WORKER, (1, 1)))


@pytest.mark.parametrize("family", [4, 6])
def test_families_that_are_not_in_use_do_not_count(family: int) -> None:
    both = rule(WORKER, (1, 1), families=(4, 6))
    found = Reach.of_rules([both], (family,))
    whole = V4 if family == 4 else V6
    assert found.of_pair("master", WORKER.key) == Space.of([Box.of(whole, 6, (1, 1))])

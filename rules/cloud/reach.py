"""Who may reach whom on what: what a plan wants, and what any cloud's artefact amounts to. Pure.

A ``Reach`` is canonical, so that two artefacts let in the same exactly where theirs are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from ipaddress import ip_network
from operator import and_, or_, sub

from rules.cloud.rule import Grant, Place, Rule
from rules.cluster import IPNetwork
from rules.intervals import Intervals, combine
from rules.policyspace import all_protocols_of
from rules.record import record
from rules.space import EMPTY, LAST_ADDRESS, Box, Plane, Space, ranges

# receiver, place, sender: a role or named peer by its key, "" for addresses
Pair = tuple[str, Place, str]
_WHOLE = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
# ICMP is IPv4's and ICMPv6 is IPv6's: a rule that names one in the other family lets in nothing.
_NOBODYS = frozenset({(4, 58), (6, 1)})


@record
class Reach:
    """For each receiver, place and sender the packets that may come, never none.

    The space of a sender that is no address is of the whole family, and holds what addresses from
    anywhere do not already let in. ``place`` pods holds what goes to pods beyond what goes to any
    address of the interface. Build it with ``Reach.of``.
    """

    spaces: tuple[tuple[Pair, Space], ...] = ()

    @classmethod
    def of(cls, items: Iterable[tuple[Pair, Space]]) -> Reach:
        """The union of items, canonical."""
        found: dict[Pair, Space] = {}
        for pair, space in items:
            kept = real(space)
            found[pair] = found[pair] | kept if pair in found else kept
        anywhere = _anywhere(found)
        kept_spaces: dict[Pair, Space] = {}
        for pair, space in found.items():
            receiver, place, sender = pair
            rest = space
            if place is Place.PODS:
                rest = rest - found.get((receiver, Place.NODE, sender), EMPTY)
            if sender:
                rest = rest - anywhere[receiver, place]
            if rest:
                kept_spaces[pair] = rest
        return cls(tuple((pair, kept_spaces[pair]) for pair in sorted(kept_spaces)))

    @classmethod
    def of_grants(cls, grants: Iterable[Grant]) -> Reach:
        """What some grants let in."""
        return cls.of(_grant_items(grants))

    @classmethod
    def of_rules(cls, rules: Iterable[Rule], families: Iterable[int] = (4, 6)) -> Reach:
        """What some rules let in, in the families that are in use."""
        return cls.of(_rule_items(rules, tuple(families)))

    def __or__(self, other: Reach) -> Reach:
        return Reach.of((*self.spaces, *other.spaces))

    def __sub__(self, other: Reach) -> Reach:
        """What this lets in and the other does not."""
        return self._combined(other, sub)

    def __and__(self, other: Reach) -> Reach:
        return self._combined(other, and_)

    def __bool__(self) -> bool:
        return bool(self.spaces)

    def __le__(self, other: Reach) -> bool:
        return not self - other

    def of_pair(self, receiver: str, sender: str, place: Place = Place.NODE) -> Space:
        """What a role (or named peer, by its key) may send, without what anybody may.

        ``sender`` empty: what addresses may send.
        """
        return dict(self.spaces).get((receiver, place, sender), EMPTY)

    def for_receiver(self, receiver: str) -> Reach:
        """The part for one receiver."""
        return Reach(tuple(item for item in self.spaces if item[0][0] == receiver))

    def on_addresses(
        self, receiver: str, place: Place, members: dict[str, list[IPNetwork]]
    ) -> Space:
        """The packets by address, with the addresses that each sender's key stands for."""
        parts = [self.of_pair(receiver, "", place)]
        for (to, at, sender), space in self.spaces:
            if (to, at) == (receiver, place) and sender:
                parts.append(_from(space, members.get(sender, [])))
        return reduce(or_, parts, EMPTY)

    def _combined(self, other: Reach, operation: Callable[[Space, Space], Space]) -> Reach:
        mine, theirs = self._written_out(other), other._written_out(self)
        return Reach.of((pair, operation(space, theirs[pair])) for pair, space in mine.items())

    def _written_out(self, other: Reach) -> dict[Pair, Space]:
        """The spaces without the shortcuts of the canonical form, for the pairs of both."""
        mine = dict(self.spaces)
        anywhere = _anywhere(mine)
        found: dict[Pair, Space] = {}
        # What goes to a node goes to its pods, which a pair may say of one side only.
        pairs = [pair for pair, _ in (*self.spaces, *other.spaces)]
        places = {Place.NODE, *(place for _, place, _ in pairs)}
        for pair in {(to, place, sender) for to, _, sender in pairs for place in places}:
            receiver, place, sender = pair
            whole = mine.get(pair, EMPTY)
            if place is Place.PODS:
                whole = whole | mine.get((receiver, Place.NODE, sender), EMPTY)
            if sender:
                whole = whole | anywhere.get((receiver, place), EMPTY)
            found[pair] = whole
        return found


def _anywhere(spaces: dict[Pair, Space]) -> dict[tuple[str, Place], Space]:
    """For each receiver and place what every address may send; to pods also what to the node."""
    found: dict[tuple[str, Place], Space] = {}
    for receiver in {receiver for receiver, _, _ in spaces}:
        node = spaces.get((receiver, Place.NODE, ""), EMPTY)
        found[receiver, Place.NODE] = from_anywhere(node)
        pods = spaces.get((receiver, Place.PODS, ""), EMPTY)
        both = from_anywhere(node | pods) if pods else found[receiver, Place.NODE]
        found[receiver, Place.PODS] = both
    return found


def from_anywhere(space: Space) -> Space:
    """The part of a space of addresses that every address of the family may send."""
    # Spaces of every protocol hold the same few planes many times.
    memo: dict[tuple[int, int], Plane] = {}
    for (family, _), plane in space.planes:
        if (id(plane), family) not in memo:
            memo[id(plane), family] = _plane_from_anywhere(plane, LAST_ADDRESS[family])
    return Space(
        tuple((key, part) for key, plane in space.planes if (part := memo[id(plane), key[0]]))
    )


def _plane_from_anywhere(plane: Plane, last_address: int) -> Plane:
    if plane[0][0] != 0 or plane[-1][1] != last_address:
        return ()
    following, common = 0, plane[0][2]
    # Long lists of addresses alternate between few sets of ports.
    seen = {common}
    for first, last, ports in plane:
        if first != following:
            return ()
        following = last + 1
        if ports not in seen:
            seen.add(ports)
            common = combine(common, ports, lambda one, two: one and two)
    return ((0, last_address, common),) if common else ()


def real(space: Space) -> Space:
    """The space without ICMP over IPv6 and ICMPv6 over IPv4, which nobody sends."""
    if any(key in _NOBODYS for key, _ in space.planes):
        return Space(tuple(item for item in space.planes if item[0] not in _NOBODYS))
    return space


def _from(space: Space, networks: list[IPNetwork]) -> Space:
    """The same packets, from some networks instead of the whole family."""
    return Space.of(
        Box.of(network, protocol, interval)
        for (family, protocol), plane in space.planes
        for network in networks
        if network.version == family
        for _, _, ports in plane
        for interval in ports
    )


def _space(
    sources: Mapping[int, Intervals], protocol: int | None, ports: tuple[int, int] | None
) -> Space:
    if protocol is None:
        return all_protocols_of(sources)
    return Space.of_ranges(sources, protocol, ports)


def _grant_items(grants: Iterable[Grant]) -> Iterator[tuple[Pair, Space]]:
    # Many grants are from the same list of addresses, which is the same object.
    known: dict[int, tuple[tuple[IPNetwork, ...], dict[int, Intervals]]] = {}
    for one in grants:
        if one.networks:
            if id(one.networks) not in known:
                known[id(one.networks)] = (one.networks, ranges(one.networks))
            sources = known[id(one.networks)][1]
            yield (one.receiver, one.place, ""), _space(sources, one.protocol, one.ports)
        for peer in one.peers:
            whole = ranges([_WHOLE[one.family]])
            yield (one.receiver, one.place, peer.key), _space(whole, one.protocol, one.ports)


def _rule_items(rules: Iterable[Rule], families: tuple[int, ...]) -> Iterator[tuple[Pair, Space]]:
    networks: dict[tuple[str, Place, int | None, tuple[int, int] | None], list[IPNetwork]] = {}
    for rule in rules:
        if rule.peer.network is not None:
            if rule.peer.family in families:
                key = (rule.receiver, rule.place, rule.protocol, rule.ports)
                networks.setdefault(key, []).append(rule.peer.network)
            continue
        whole = [_WHOLE[family] for family in rule.families if family in families]
        if whole:
            pair = (rule.receiver, rule.place, rule.peer.key)
            yield pair, _space(ranges(whole), rule.protocol, rule.ports)
    for (receiver, place, protocol, ports), listed in networks.items():
        yield (receiver, place, ""), _space(ranges(listed), protocol, ports)

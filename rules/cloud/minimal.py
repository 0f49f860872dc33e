"""Grants -> the fewest rules of one sender and one range each that let in the same. Pure.

Adjacent ranges and networks merge, and what a wider sender may do anyway is not said again. ICMP
types never merge: where a cloud tells them apart, a rule names one, or all.
Networks nest or are apart, so that this cover is irredundant: each rule has packets of its own,
and ``rules.cloud.witness`` shows one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from rules.cloud.abilities import Abilities
from rules.cloud.cover import Cover, Open, named_alone, within
from rules.cloud.peer import Peer, network_peer
from rules.cloud.rivals import Rivals
from rules.cloud.rule import Grant, Place, Rule
from rules.cloud.witness import witness
from rules.intervals import Interval, Intervals, combine, normal
from rules.space import extent, last_port

# Flows, and where their senders' addresses begin and end.
_Near = tuple[tuple[str, ...], list[int], list[int]]


def minimise(
    grants: Iterable[Grant], families: tuple[int, ...], abilities: Abilities
) -> tuple[Rule, ...]:
    """The rules of all receivers, in a fixed order: by receiver, place, sender, protocol, port.

    ``grants`` are what ``lower`` made of a plan for this cloud.
    """
    by_receiver: dict[str, list[Grant]] = {}
    for grant in grants:
        by_receiver.setdefault(grant.receiver, []).append(grant)
    return tuple(
        rule
        for listed in by_receiver.values()
        for rule in _Receiver(listed, families, abilities).rules()
    )


class _Receiver:
    """The rules of one receiver; those to pods leave out what the rules to the node let in."""

    def __init__(
        self, grants: list[Grant], families: tuple[int, ...], abilities: Abilities
    ) -> None:
        self._grants, self._families = grants, families
        # A reference that holds for both families is one rule, of family 0.
        split = abilities.family_references or len(families) == 1
        self._domains = tuple((family,) for family in families) if split else (families,)
        self._node: dict[tuple[str, tuple[int, ...]], Open] = {}

    def rules(self) -> Iterator[Rule]:
        to_node: list[Rule] = []
        for place in Place:
            here = [grant for grant in self._grants if grant.place is place]
            if not here:
                continue
            made: list[Rule] = []
            anywhere: dict[int, Open] = {}
            for family in self._families:
                rules, anywhere[family] = self._networks(here, place, family)
                made += rules
            for domain in self._domains:
                made += self._peers(here, place, domain, anywhere)
            if place is Place.NODE:
                to_node = made
            elif to_node:
                made = _beyond(made, to_node)
            yield from _sorted(made)

    def _networks(self, grants: list[Grant], place: Place, family: int) -> tuple[list[Rule], Open]:
        cover = Cover([g for g in grants if g.family == family and g.networks], family)
        purposes = _Purposes(cover.grants)
        # One object for all rules of a network, which later steps recognise by itself; a network
        # is found by its own object, which the cover holds, and only then by its value.
        known: dict[int, tuple[Peer, Interval]] = {}
        peers: dict[Interval, tuple[Peer, Interval]] = {}
        receiver, families = grants[0].receiver, (family,)
        made: list[Rule] = []
        for network, protocol, interval in cover.emitted():
            found = known.get(id(network))
            if found is None:
                edges = extent(network)
                found = peers.setdefault(edges, (network_peer(network), edges))
                known[id(network)] = found
            peer, edges = found
            ports = _written(protocol, interval)
            flows = purposes.of(edges, protocol, interval)
            made.append(Rule(receiver, place, families, peer, protocol, ports, flows, ""))
        return made, cover.anywhere()

    def _peers(
        self,
        grants: list[Grant],
        place: Place,
        domain: tuple[int, ...],
        anywhere: dict[int, Open],
    ) -> Iterator[Rule]:
        open_to: dict[Peer, dict[int | None, list[Grant]]] = {}
        for grant in grants:
            if grant.family in domain:
                for peer in grant.peers:
                    open_to.setdefault(peer, {}).setdefault(grant.protocol, []).append(grant)
        everybody = _common([anywhere[family] for family in domain])
        for peer, protocols in open_to.items():
            node = self._node.get((peer.key, domain), {})
            base: Open = {
                number: normal((*everybody.get(number, ()), *node.get(number, ())))
                for number in {*everybody, *node}
            }
            own: Open = {
                number: normal([grant.interval for grant in listed] + list(base.get(number, ())))
                for number, listed in protocols.items()
            }
            if place is Place.NODE:
                self._node[peer.key, domain] = own
            if None in base:
                continue
            for number, intervals in own.items():
                if None in own and number is not None:
                    continue
                for interval in named_alone(number, intervals):
                    if not within(interval, base.get(number, ())):
                        flows = _named(
                            grant.flow
                            for listed in protocols.values()
                            for grant in listed
                            if number is None
                            or (grant.protocol == number and _overlap(grant.interval, interval))
                        )
                        ports = _written(number, interval)
                        yield Rule(
                            grants[0].receiver, place, _real(number, domain), peer, number, ports,
                            flows,
                        )  # fmt: skip


def _beyond(to_pods: list[Rule], to_node: list[Rule]) -> list[Rule]:
    """The rules to pods without those whose packets the rest lets in."""
    node, pods = Rivals(to_node), Rivals(to_pods)
    numbers = {rule.protocol for rule in to_node}
    kept: list[Rule] = []
    for rule in to_pods:
        if not numbers & {None, rule.protocol}:
            kept.append(rule)
            continue
        near = [
            one
            for one in node.near(rule)
            if one.protocol in (None, rule.protocol) and one.families[0] in rule.families
        ]
        if near and witness(rule, [*pods.near(rule), *near]) is None:
            pods.remove(rule)
        else:
            kept.append(rule)
    return kept


def _overlap(left: Interval, right: Interval) -> bool:
    return left[0] <= right[1] and right[0] <= left[1]


def _common(opened: list[Open]) -> Open:
    """What is open in every one of several families."""
    if len(opened) == 1:
        return opened[0]
    # ICMP and ICMPv6 are of one family each: the other one lets in nothing anyway.
    found: Open = {}
    for number in set().union(*opened):
        whole: Intervals = ((0, last_port(number or 0)),)
        parts = [one.get(number, whole if None in one else ()) for one in opened]
        if number in (1, 58):
            found[number] = next(part for part in parts if part)
        elif all(parts):
            found[number] = _intersection(parts)
    return {number: intervals for number, intervals in found.items() if intervals}


def _intersection(parts: list[Intervals]) -> Intervals:
    whole = parts[0]
    for part in parts[1:]:
        whole = combine(whole, part, lambda left, right: left and right)
    return whole


def _written(protocol: int | None, interval: Interval) -> Interval | None:
    """None for all there are."""
    return None if interval == (0, last_port(protocol or 0)) else interval


def _real(protocol: int | None, domain: tuple[int, ...]) -> tuple[int, ...]:
    nobodys = {1: 6, 58: 4}.get(protocol or 0)
    return tuple(family for family in domain if family != nobodys) or domain


class _Purposes:
    """For which flows a rule is there: those whose packets it holds some of."""

    def __init__(self, grants: list[Grant]) -> None:
        self._grants = grants
        # Many grants are from the same list of addresses, which is the same object.
        self._edges: dict[int, tuple[list[int], list[int]]] = {}
        self._near: dict[tuple[int | None, Interval], list[_Near]] = {}
        self._flows: dict[tuple[tuple[str, ...], ...], tuple[str, ...]] = {}

    def of(self, edges: Interval, protocol: int | None, ports: Interval) -> tuple[str, ...]:
        near = self._near.get((protocol, ports))
        if near is None:
            near = self._near[protocol, ports] = self._sources(protocol, ports)
        first, last = edges
        found: list[tuple[str, ...]] = []
        for flows, starts, ends in near:
            at = bisect_left(ends, first)
            if at < len(ends) and starts[at] <= last:
                found.append(flows)
        key = tuple(found)
        if key not in self._flows:
            self._flows[key] = _named(flow for flows in found for flow in flows)
        return self._flows[key]

    def _sources(self, protocol: int | None, ports: Interval) -> list[_Near]:
        """The grants of such packets: flows of neighbours with one list go together."""
        found: list[tuple[list[str], int]] = []
        for grant in self._grants:
            if grant.protocol != protocol or not _overlap(grant.interval, ports):
                continue
            key = id(grant.networks)
            if key not in self._edges:
                edges = [extent(network) for network in grant.networks]
                self._edges[key] = [first for first, _ in edges], [last for _, last in edges]
            if found and found[-1][1] == key:
                found[-1][0].append(grant.flow)
            else:
                found.append(([grant.flow], key))
        return [(tuple(flows), *self._edges[key]) for flows, key in found]


def _named(flows: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(flows))


def _sorted(rules: list[Rule]) -> list[Rule]:
    """By sender, protocol and ports. The place of each sender is found once."""
    peers = {id(rule.peer): rule.peer for rule in rules}
    found = {key: peer.order for key, peer in peers.items()}
    ranks = {order: rank for rank, order in enumerate(sorted(set(found.values())))}
    places = {key: ranks[order] for key, order in found.items()}
    return sorted(
        rules,
        key=lambda rule: (
            places[id(rule.peer)],
            rule.protocol if rule.protocol is not None else -1,
            rule.interval,
        ),
    )

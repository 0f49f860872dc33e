"""Grants -> the fewest rules of one sender and one range each that let in the same. Pure.

Adjacent ranges and networks merge, and what a wider sender may do anyway is not said again. ICMP
types never merge: where a cloud tells them apart, a rule names one, or all.
Networks nest or are apart, so that this cover is irredundant: each rule has packets of its own,
and ``rules.cloud.witness`` shows one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise

from rules.access import merged
from rules.cloud.abilities import Abilities
from rules.cloud.peer import Peer, network_peer
from rules.cloud.rule import Grant, Place, Rule
from rules.cloud.witness import witness
from rules.cluster import IPNetwork
from rules.intervals import Interval, Intervals, combine, normal
from rules.space import last_port

# protocol -> what is open to everybody; None: every protocol is
_Open = dict[int | None, Intervals]
_ALL: Intervals = ((0, 0),)


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
        self._node: dict[tuple[str, tuple[int, ...]], _Open] = {}

    def rules(self) -> Iterator[Rule]:
        to_node: list[Rule] = []
        for place in Place:
            here = [grant for grant in self._grants if grant.place is place]
            if not here:
                continue
            made: list[Rule] = []
            anywhere: dict[int, _Open] = {}
            for family in self._families:
                rules, anywhere[family] = self._networks(here, place, family)
                made += rules
            for domain in self._domains:
                made += self._peers(here, place, domain, anywhere)
            if place is Place.NODE:
                to_node = made
            elif to_node:
                made = _beyond(made, to_node)
            yield from sorted(made, key=_order)

    def _networks(self, grants: list[Grant], place: Place, family: int) -> tuple[list[Rule], _Open]:
        cover = _Cover([g for g in grants if g.family == family and g.networks], family)
        purposes = _Purposes(cover.grants)
        made = [
            Rule(
                grants[0].receiver,
                place,
                (family,),
                network_peer(network),
                protocol,
                _written(protocol, interval),
                purposes.of(network, protocol, interval),
            )
            for network, protocol, interval in cover.emitted()
        ]
        return made, cover.anywhere()

    def _peers(
        self,
        grants: list[Grant],
        place: Place,
        domain: tuple[int, ...],
        anywhere: dict[int, _Open],
    ) -> Iterator[Rule]:
        open_to: dict[Peer, dict[int | None, list[Grant]]] = {}
        for grant in grants:
            if grant.family in domain:
                for peer in grant.peers:
                    open_to.setdefault(peer, {}).setdefault(grant.protocol, []).append(grant)
        everybody = _common([anywhere[family] for family in domain])
        for peer, protocols in open_to.items():
            node = self._node.get((peer.key, domain), {})
            base: _Open = {
                number: normal((*everybody.get(number, ()), *node.get(number, ())))
                for number in {*everybody, *node}
            }
            own: _Open = {
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
                for interval in _named_alone(number, intervals):
                    if not _within(interval, base.get(number, ())):
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


class _Cover:
    """Networks of one family as a tree: what each may send, those around it included."""

    def __init__(self, grants: list[Grant], family: int) -> None:
        self.grants = grants
        self._family = family
        self._merged: dict[tuple[int, ...], tuple[IPNetwork, ...]] = {}
        everything = [grant for grant in grants if grant.protocol is None]
        self._all = self._union(everything)
        self._full: dict[int, dict[IPNetwork, tuple[Intervals, IPNetwork | None]]] = {}
        for number in sorted({g.protocol for g in grants if g.protocol is not None}):
            listed = [grant for grant in grants if grant.protocol == number]
            self._full[number] = self._tree(listed, everything)

    def emitted(self) -> Iterator[tuple[IPNetwork, int | None, Interval]]:
        """Each network with a protocol and a range that nothing around it has."""
        for network in self._all:
            yield network, None, (0, 0)
        shut = _Ranges(self._all)
        for number, tree in self._full.items():
            for network, (intervals, parent) in tree.items():
                if shut.holds(network):
                    continue
                around = tree[parent][0] if parent is not None else ()
                for interval in _named_alone(number, intervals):
                    if not _within(interval, around):
                        yield network, number, interval

    def anywhere(self) -> _Open:
        """What the whole family may send."""
        found: _Open = {None: _ALL} if any(net.prefixlen == 0 for net in self._all) else {}
        for number, tree in self._full.items():
            for network, (intervals, _) in tree.items():
                if network.prefixlen == 0:
                    found[number] = intervals
        return found

    def _tree(
        self, listed: list[Grant], everything: list[Grant]
    ) -> dict[IPNetwork, tuple[Intervals, IPNetwork | None]]:
        edges = sorted({edge for g in listed for edge in (g.interval[0], g.interval[1] + 1)})
        own: dict[IPNetwork, list[Interval]] = {}
        for first, following in pairwise(edges):
            part = [g for g in listed if g.interval[0] <= first and following - 1 <= g.interval[1]]
            for network in self._union([*part, *everything]) if part else ():
                own.setdefault(network, []).append((first, following - 1))
        for network in self._all:
            own.setdefault(network, []).append((0, last_port(listed[0].protocol or 0)))
        found: dict[IPNetwork, tuple[Intervals, IPNetwork | None]] = {}
        above: list[IPNetwork] = []
        for network in sorted(own, key=lambda n: (int(n.network_address), n.prefixlen)):
            while above and not _holds(above[-1], network):
                above.pop()
            parent = above[-1] if above else None
            around = found[parent][0] if parent is not None else ()
            found[network] = (normal((*own[network], *around)), parent)
            above.append(network)
        return found

    def _union(self, grants: list[Grant]) -> tuple[IPNetwork, ...]:
        """The networks of several grants, the fewest; each set of lists is merged once."""
        lists = {id(grant.networks): grant.networks for grant in grants}
        key = tuple(sorted(lists))
        if key not in self._merged:
            every = (network for networks in lists.values() for network in networks)
            self._merged[key] = merged(every, self._family)
        return self._merged[key]


class _Ranges:
    """Disjoint, sorted networks, asked whether they hold another."""

    def __init__(self, networks: tuple[IPNetwork, ...]) -> None:
        self._networks = networks
        self._starts = [int(network.network_address) for network in networks]

    def holds(self, network: IPNetwork) -> bool:
        at = bisect_right(self._starts, int(network.network_address)) - 1
        return at >= 0 and _holds(self._networks[at], network)


def _beyond(to_pods: list[Rule], to_node: list[Rule]) -> list[Rule]:
    """The rules to pods without those whose packets the rest lets in."""
    kept = list(to_pods)
    for rule in to_pods:
        near = [
            one
            for one in to_node
            if one.protocol in (None, rule.protocol) and one.families[0] in rule.families
        ]
        if near and witness(rule, [*kept, *near]) is None:
            kept.remove(rule)
    return kept


def _holds(outer: IPNetwork, inner: IPNetwork) -> bool:
    length = outer.max_prefixlen - outer.prefixlen
    return (
        outer.prefixlen <= inner.prefixlen
        and int(outer.network_address) >> length == int(inner.network_address) >> length
    )


def _named_alone(protocol: int | None, intervals: Intervals) -> Iterator[Interval]:
    """The intervals of a protocol as rules write them."""
    for first, last in intervals:
        if protocol in (1, 58) and (first, last) != (0, last_port(protocol)):
            yield from ((kind, kind) for kind in range(first, last + 1))
        else:
            yield first, last


def _within(interval: Interval, intervals: Intervals) -> bool:
    return any(first <= interval[0] and interval[1] <= last for first, last in intervals)


def _overlap(left: Interval, right: Interval) -> bool:
    return left[0] <= right[1] and right[0] <= left[1]


def _common(opened: list[_Open]) -> _Open:
    """What is open in every one of several families."""
    if len(opened) == 1:
        return opened[0]
    # ICMP and ICMPv6 are of one family each: the other one lets in nothing anyway.
    found: _Open = {}
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
        self._grants = [
            (
                grant,
                [int(network.network_address) for network in grant.networks],
                [int(network.broadcast_address) for network in grant.networks],
            )
            for grant in grants
        ]
        self._near: dict[tuple[int | None, Interval], list[tuple[str, list[int], list[int]]]] = {}

    def of(self, network: IPNetwork, protocol: int | None, interval: Interval) -> tuple[str, ...]:
        near = self._near.get((protocol, interval))
        if near is None:
            near = [
                (grant.flow, starts, ends)
                for grant, starts, ends in self._grants
                if grant.protocol == protocol and _overlap(grant.interval, interval)
            ]
            self._near[protocol, interval] = near
        first, last = int(network.network_address), int(network.broadcast_address)
        found: list[str] = []
        for flow, starts, ends in near:
            at = bisect_left(ends, first)
            if at < len(ends) and starts[at] <= last:
                found.append(flow)
        return _named(found)


def _named(flows: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(flows))


def _order(rule: Rule) -> tuple[object, ...]:
    return (rule.peer.order, rule.protocol if rule.protocol is not None else -1, rule.interval)

"""Grants of one family -> networks with what each may send, as a tree. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

from rules.access import merged
from rules.cloud.rule import Grant
from rules.cluster import IPNetwork
from rules.intervals import Interval, Intervals, normal
from rules.space import last_port

# protocol -> what is open to everybody; None: every protocol is
Open = dict[int | None, Intervals]
_ALL: Intervals = ((0, 0),)
# A network by its first address and the length of its prefix: objects are slow to hash.
_Net = tuple[int, int]
# A network, what it may send, and what of that the network around it may send too.
_Node = tuple[IPNetwork, Intervals, Intervals]


class Cover:
    """Networks of one family as a tree: what each may send, those around it included."""

    def __init__(self, grants: list[Grant], family: int) -> None:
        self.grants = grants
        self._family = family
        self._merged: dict[tuple[int, ...], tuple[IPNetwork, ...]] = {}
        everything = [grant for grant in grants if grant.protocol is None]
        self._all = self._union(everything)
        self._full: dict[int, list[_Node]] = {}
        for number in sorted({g.protocol for g in grants if g.protocol is not None}):
            listed = [grant for grant in grants if grant.protocol == number]
            self._full[number] = self._tree(listed, everything)

    def emitted(self) -> Iterator[tuple[IPNetwork, int | None, Interval]]:
        """Each network with a protocol and a range that nothing around it has."""
        for network in self._all:
            yield network, None, (0, 0)
        shut = _Ranges(self._all)
        for number, tree in self._full.items():
            alone: dict[tuple[Intervals, Intervals], list[Interval]] = {}
            for network, intervals, around in tree:
                if shut.holds(network):
                    continue
                if (intervals, around) not in alone:
                    alone[intervals, around] = [
                        interval
                        for interval in named_alone(number, intervals)
                        if not within(interval, around)
                    ]
                for interval in alone[intervals, around]:
                    yield network, number, interval

    def anywhere(self) -> Open:
        """What the whole family may send."""
        found: Open = {None: _ALL} if any(net.prefixlen == 0 for net in self._all) else {}
        for number, tree in self._full.items():
            for network, intervals, _ in tree:
                if network.prefixlen == 0:
                    found[number] = intervals
        return found

    def _tree(self, listed: list[Grant], everything: list[Grant]) -> list[_Node]:
        edges = sorted({edge for g in listed for edge in (g.interval[0], g.interval[1] + 1)})
        own: dict[_Net, list[Interval]] = {}
        objects: dict[_Net, IPNetwork] = {}
        for first, following in pairwise(edges):
            part = [g for g in listed if g.interval[0] <= first and following - 1 <= g.interval[1]]
            for network in self._union([*part, *everything]) if part else ():
                key = (int(network.network_address), network.prefixlen)
                objects[key] = network
                own.setdefault(key, []).append((first, following - 1))
        for network in self._all:
            key = (int(network.network_address), network.prefixlen)
            objects[key] = network
            own.setdefault(key, []).append((0, last_port(listed[0].protocol or 0)))
        found: list[_Node] = []
        above: list[tuple[int, int, Intervals]] = []
        joined: dict[tuple[tuple[Interval, ...], Intervals], Intervals] = {}
        bits = 32 if self._family == 4 else 128
        for key in sorted(own):
            start, length = key
            while above and start > above[-1][1]:
                above.pop()
            around = above[-1][2] if above else ()
            parts = tuple(own[key])
            if (parts, around) not in joined:
                joined[parts, around] = normal((*parts, *around))
            intervals = joined[parts, around]
            found.append((objects[key], intervals, around))
            above.append((start, start | (1 << (bits - length)) - 1, intervals))
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


def named_alone(protocol: int | None, intervals: Intervals) -> Iterator[Interval]:
    """The intervals of a protocol as rules write them."""
    for first, last in intervals:
        if protocol in (1, 58) and (first, last) != (0, last_port(protocol)):
            yield from ((kind, kind) for kind in range(first, last + 1))
        else:
            yield first, last


def within(interval: Interval, intervals: Intervals) -> bool:
    """Whether one of the intervals holds the whole of another."""
    return any(first <= interval[0] and interval[1] <= last for first, last in intervals)


def _holds(outer: IPNetwork, inner: IPNetwork) -> bool:
    length = outer.max_prefixlen - outer.prefixlen
    return (
        outer.prefixlen <= inner.prefixlen
        and int(outer.network_address) >> length == int(inner.network_address) >> length
    )

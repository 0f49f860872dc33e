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


class Cover:
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
                for interval in named_alone(number, intervals):
                    if not within(interval, around):
                        yield network, number, interval

    def anywhere(self) -> Open:
        """What the whole family may send."""
        found: Open = {None: _ALL} if any(net.prefixlen == 0 for net in self._all) else {}
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

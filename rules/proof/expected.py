"""Policy -> which probes must survive, by way and source. Pure, and made from no rendered text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property

from rules.access import Hook, let_through, pod_traffic
from rules.cluster import IPAddress, IPNetwork
from rules.intervals import Interval, Intervals, normal
from rules.packet import ICMP, ICMPV6
from rules.policy import Policy
from rules.proof.way import Kind, Way
from rules.render import Posture

LAST_KEY = 65535
NOTHING: Intervals = ()
EVERYTHING: Intervals = ((0, LAST_KEY),)


class Networks:
    """Disjoint, sorted networks of one family, to be asked for addresses."""

    def __init__(self, networks: Iterable[IPNetwork]) -> None:
        ends = normal(
            (int(network.network_address), int(network.broadcast_address)) for network in networks
        )
        self._firsts = [first for first, _ in ends]
        self._lasts = [last for _, last in ends]

    def __contains__(self, address: IPAddress) -> bool:
        place = bisect_right(self._firsts, int(address)) - 1
        return place >= 0 and int(address) <= self._lasts[place]


class Expected:
    """What must survive of the probes of one policy, under a posture, with a backend's rules.

    Under ``enforce``: what is admitted, and whatever is forwarded elsewhere than to pods, which is
    none of ours. Under ``allow`` iptables' rules open what a foreign policy of DROP closes, in
    INPUT and FORWARD: what is admitted, and what pods send, and nothing else. A table of nftables
    can open nothing, so under ``allow`` it must close nothing: everything.

    ``target_port`` is what translated probes become; the node and a pod send from ``asking_port``.
    """

    def __init__(self, policy: Policy, posture: Posture, backend: str) -> None:
        self._all = posture is Posture.ALLOW and backend == "nftables"
        self._elsewhere = EVERYTHING if posture is Posture.ENFORCE or self._all else NOTHING
        self.admissions = let_through(policy)
        self.pods = {one.family: one.pods for one in pod_traffic(policy)}
        self._pods = {family: Networks(networks) for family, networks in self.pods.items()}
        self._nodes = {one.family: Networks(one.nodes) for one in pod_traffic(policy)}
        self.target_port = self._unknown_port(40_000)
        self.asking_port = self._unknown_port(self.target_port + 1)
        self._sources: dict[int, Networks] = {}
        self._known: dict[tuple[Way, IPAddress, Kind], Intervals] = {}

    def keys(self, way: Way, source: IPAddress, kind: Kind) -> Intervals:
        """The keys (see ``Kind``) of the probes that survive, as sorted intervals."""
        known = self._known.get((way, source, kind))
        if known is None:
            known = self._known[way, source, kind] = self._find(way, source, kind)
        return known

    def reaches(self, source: IPAddress, destination: IPAddress) -> bool:
        """Whether a forwarded packet for a port that no flow admits survives."""
        family = source.version
        if family in self._pods and destination in self._pods[family]:
            return bool(self._find(Way.FORWARD, source, Kind.PROTOCOL))
        return bool(self._find(Way.TRANSIT, source, Kind.PROTOCOL))

    def is_pod(self, source: IPAddress) -> bool:
        """Whether it is one of the pods' addresses."""
        return source.version in self._pods and source in self._pods[source.version]

    @cached_property
    def networks(self) -> frozenset[IPNetwork]:
        """Every network that the policy tells from others, but whole families."""
        found = {n for admission in self.admissions for n in admission.sources}
        for networks in self.pods.values():
            found.update(networks)
        return frozenset(network for network in found if network.prefixlen)

    def _find(self, way: Way, source: IPAddress, kind: Kind) -> Intervals:
        family = source.version
        if self._all:
            return EVERYTHING
        if way is Way.TRANSIT:
            return EVERYTHING if self.is_pod(source) else self._elsewhere
        if way.hook == "forward":
            if family not in self._pods:
                return self._elsewhere
            if self.is_pod(source) or source in self._nodes[family]:
                return EVERYTHING
        return normal(self._admitted(way, source, kind))

    def _admitted(self, way: Way, source: IPAddress, kind: Kind) -> list[Interval]:
        hook, family = Hook(way.hook), source.version
        found: list[Interval] = []
        for one in self.admissions:
            if one.hook is not hook or one.family != family:
                continue
            keys = keys_of(one.protocol.number, one.ports, one.icmp_types, family, kind)
            if not keys or source not in self._networks(one.sources):
                continue
            if not way.translated or one.original_port:
                found += keys
            elif any(first <= self.target_port <= last for first, last in keys):
                found += EVERYTHING  # whatever was asked for, this is what it became
        return found

    def _unknown_port(self, start: int) -> int:
        """A port that no flow admits, not even before translation; ``start`` where there is none.

        Translated probes get the first, and the second is where the node and a pod send from.
        """
        ranges = normal(
            one.ports for one in self.admissions if one.ports and one.ports != (1, LAST_KEY)
        )
        free = (
            port
            for port in (*range(start, LAST_KEY), *range(1024, start))
            if not any(first <= port <= last for first, last in ranges)
        )
        return next(free, start)

    def _networks(self, sources: tuple[IPNetwork, ...]) -> Networks:
        """One for each list; lists live as long as the admissions that are kept here."""
        if id(sources) not in self._sources:
            self._sources[id(sources)] = Networks(sources)
        return self._sources[id(sources)]


def keys_of(
    protocol: int,
    ports: Interval | None,
    icmp_types: tuple[int, ...] | None,
    family: int,
    kind: Kind,
) -> list[Interval]:
    """The keys of one kind that an admission of this protocol stands for; none of other kinds."""
    number = kind.number(family)
    if number != protocol:
        other = all(each.number(family) != protocol for each in Kind)
        return [(protocol, protocol)] if kind is Kind.PROTOCOL and other else []
    if protocol in (ICMP, ICMPV6):
        types = range(256) if icmp_types is None else icmp_types
        return [(type_ << 8, type_ << 8 | 255) for type_ in types]
    return [ports or (0, LAST_KEY)]

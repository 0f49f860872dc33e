"""The packets that a ruleset lets through, as a set: who reaches which port of a host. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address

from rules.cluster import IPAddress
from rules.packet import ICMP, ICMP_ERRORS, ICMPV6, Packet
from rules.parse.names import PORT_PROTOCOLS
from rules.record import record
from rules.ruleset import (
    AllOf,
    AnyOf,
    Element,
    Hung,
    Key,
    Lookup,
    Match,
    Nat,
    PacketSet,
    Ruleset,
    Test,
    Verdict,
    VerdictMap,
)
from rules.space import EMPTY, LAST_ADDRESS, LAST_PROTOCOL, Box, Space, last_port
from rules.tracing.effects import chosen
from rules.tracing.flow import Flow, Routes, Surroundings, connection_state
from rules.tracing.hooks import OUT, Knowledge, Way
from rules.tracing.match import Matcher
from rules.tracing.regions import Cutter, Part, all_ports
from rules.tracing.walk import RuleWalk, Walk

# A sender that is nobody special, for what a rule asks beside source and port.
SOMEBODY = {4: ip_address("203.0.113.1"), 6: ip_address("2001:db8::1")}
_PROTOCOL_KEYS = frozenset({"meta l4proto", "ip protocol", "ip6 nexthdr", "ct protocol"})
_PORTED = frozenset(PORT_PROTOCOLS.values())
_EVERY = frozenset(range(LAST_PROTOCOL + 1))


@record
class Reach:
    """``certain`` is let through; ``possible`` too, or what cannot be told decides about it."""

    certain: Space
    possible: Space


def reach(
    ruleset: Ruleset,
    hook: str,
    destination: IPAddress,
    *,
    local_addresses: Collection[IPAddress] = (),
    interface_in: str | None = None,
    routes: Routes | None = None,
) -> Reach:
    """The new packets to ``destination`` that come through ``input`` or ``forward``.

    The port is the one that the sender uses, before any DNAT; with ``forward`` and an address of
    this host as ``destination`` they are those that DNAT sends on. ICMP errors count as answers
    (related). All sources are other hosts. ``interface_in`` None: some interface, not loopback.
    """
    found = _Reached(ruleset, hook, destination, local_addresses, interface_in, routes)
    # By protocol, since a union looks at every protocol of both sides.
    certain: dict[int, Space] = {}
    possible: dict[int, Space] = {}
    for packet, alike in found.packets():
        through, stopped = found.one(packet)
        sure = through - stopped
        for protocol, kind in alike:
            for spaces, one in ((certain, sure), (possible, through)):
                here = _standing_for(one, protocol, kind)
                spaces[protocol] = spaces[protocol] | here if protocol in spaces else here
    return Reach(_joined(certain), _joined(possible))


def sample(
    destination: IPAddress,
    protocol: int,
    icmp_type: int | None = None,
    *,
    interface_in: str | None = None,
) -> Packet:
    """A first packet from nobody special; errors of ICMP answer one that was sent before."""
    return Packet(
        family=destination.version,
        protocol=protocol,
        source=SOMEBODY[destination.version],
        destination=destination,
        icmp_type=icmp_type,
        interface_in=interface_in,
        state="related" if icmp_type in ICMP_ERRORS.get(protocol, ()) else "new",
    )


class _Reached:
    def __init__(
        self,
        ruleset: Ruleset,
        hook: str,
        destination: IPAddress,
        local_addresses: Collection[IPAddress],
        interface_in: str | None,
        routes: Routes | None,
    ) -> None:
        self.knowledge, self.hook, self.destination = Knowledge(ruleset), hook, destination
        self.local, self.interface_in, self.routes = local_addresses, interface_in, routes
        self.cutter = Cutter(self.knowledge.matcher)

    def packets(self) -> Iterator[tuple[Packet, list[tuple[int, int | None]]]]:
        """One for each kind of packets that no rule tells apart but by source and port.

        With it the protocols, and types of ICMP, for which it stands.
        """
        icmp = ICMP if self.destination.version == 4 else ICMPV6
        ruleset = self.knowledge.ruleset
        named = {*_numbers(ruleset, _PROTOCOL_KEYS), *_PORTED, icmp} & _EVERY
        for protocol in sorted(named - {icmp}):
            yield self._sample(protocol), [(protocol, None)]
        rest = sorted(_EVERY - named)
        yield self._sample(rest[-1]), [(protocol, None) for protocol in rest]
        name = "icmp type" if icmp == ICMP else "icmpv6 type"
        alike: dict[object, list[int]] = {}
        types = _numbers(ruleset, frozenset({name}))
        for kind in sorted(_EVERY):
            # Conntrack tells types apart too, whether or not a rule does.
            packet = self._sample(icmp, kind)
            state = (packet.state, connection_state(packet))
            alike.setdefault(kind if kind in types else state, []).append(kind)
        for kinds in alike.values():
            yield self._sample(icmp, kinds[0]), [(icmp, kind) for kind in kinds]

    def _sample(self, protocol: int, kind: int | None = None) -> Packet:
        return sample(self.destination, protocol, kind, interface_in=self.interface_in)

    def one(self, packet: Packet) -> tuple[Space, Space]:
        """Of one kind of packets: what may come through the hook, and what may not."""
        place = Surroundings(self.local, packet, True, self.routes)
        flow = Flow(packet, place)
        sources = (0, LAST_ADDRESS[packet.family])
        flow.region = Space.of([Box(packet.family, packet.protocol, sources, all_ports(flow))])
        way = _RegionWay(self.knowledge, packet.family, self.cutter)
        way.through_hook(flow, self.hook)
        everything = flow.region
        through = _union(one.region for one in way.passed)
        stopped = _union(end.flow.region for end in way.blocked) | (everything - through)
        # What DNAT may send to the other hook does not certainly come through this one.
        stopped |= _union(one.region for one in way.elsewhere)
        unknown = _union(end.flow.region for end in way.blocked if end.verdict == "unknown")
        return through | unknown, stopped


def _union(regions: Iterator[Space | None]) -> Space:
    found = EMPTY
    for region in regions:
        if region is not None:
            found |= region
    return found


def _joined(spaces: dict[int, Space]) -> Space:
    return Space(tuple(sorted(plane for space in spaces.values() for plane in space.planes)))


def _standing_for(space: Space, protocol: int, kind: int | None) -> Space:
    """The same sources for another protocol without ports, or another type of ICMP."""
    planes = []
    for (family, _), plane in space.planes:
        if kind is not None:
            plane = tuple((first, last, ((kind, kind),)) for first, last, _ in plane)
        elif protocol in (ICMP, ICMPV6):
            # The other family's: a protocol like others here, and all its types are one.
            whole = ((0, last_port(protocol)),)
            plane = tuple((first, last, whole) for first, last, _ in plane)
        planes.append(((family, protocol), plane))
    return Space(tuple(planes))


class _RegionWay(Way):
    """A way for many packets at once."""

    def __init__(self, knowledge: Knowledge, family: int, cutter: Cutter) -> None:
        super().__init__(knowledge, family)
        self.walk = lambda hung, matcher: _RegionWalk(hung, matcher, cutter)
        self.elsewhere: list[Flow] = []

    def through_hook(self, flow: Flow, hook: str) -> None:
        """As ``take``, but what goes to the other hook is only kept in ``elsewhere``."""
        inside, onward = self.routed(flow)
        if hook == "input":
            self.elsewhere = onward
            self.hooks(("input",), inside)
        else:
            self.elsewhere = inside
            self.hooks(("forward", *OUT), onward)


class _RegionWalk(Walk):
    """A base chain for many packets at once."""

    def __init__(self, hung: Hung, matcher: Matcher, cutter: Cutter) -> None:
        super().__init__(hung, matcher)
        self.cutter = cutter

    @property
    def rule_walk(self) -> type[RuleWalk]:
        """What does one rule for a region."""
        return _RegionRuleWalk


class _RegionRuleWalk(RuleWalk):
    """One rule for many packets: matches and maps cut the region."""

    @property
    def _cutter(self) -> Cutter:
        walk = self.walk
        assert isinstance(walk, _RegionWalk)  # noqa: S101
        return walk.cutter

    def match(self, match: Match, flow: Flow | None) -> Flow | None:
        """The part that matches, or may; the rest goes on with the next rule."""
        assert flow is not None  # noqa: S101
        assert flow.region is not None  # noqa: S101
        part = self._cutter.cut(match, flow, flow.region)
        self._leave(flow, flow.region - part.sure)
        return self._with(flow, part.possible)

    @staticmethod
    def _with(flow: Flow, region: Space) -> Flow | None:
        if not region:
            return None
        other = flow.copy()
        other.region = region
        return other

    def _leave(self, flow: Flow, region: Space) -> None:
        if (other := self._with(flow, region)) is not None:
            self.left.append(other)

    def map(self, part: VerdictMap, flow: Flow) -> None:
        """Each verdict for the part of the region that the map gives it."""
        groups: dict[tuple[str, str], list[Element]] = {}
        for element in part.map.elements:
            if element.verdict is not None:
                place = (element.verdict.action.value, element.verdict.chain)
                groups.setdefault(place, []).append(element)
        rest = self._grouped(part.map, part.keys, list(groups.values()), flow)
        if rest is None:
            return
        default = part.map.default
        if default is not None and default.verdict is not None:
            self._take(default.verdict, self._with(flow, rest))
        else:
            self._leave(flow, rest)

    def _take(self, verdict: Verdict, flow: Flow | None) -> None:
        if flow is not None:
            self.verdict(verdict, flow)

    def nat(self, part: Nat, flow: Flow) -> Flow | None:
        """Translates; a map may send the parts of the region to different places."""
        if part.map is None or (part.family and part.family != flow.packet.family):
            return super().nat(part, flow)
        groups: dict[tuple[int, ...], list[Element]] = {}
        for element in part.map.elements:
            groups.setdefault(element.data, []).append(element)
        rest = self._grouped(part.map, part.keys, list(groups.values()), flow, part)
        if rest is not None:
            self._leave(flow, rest)
        return None

    def _grouped(
        self,
        packet_set: PacketSet,
        keys: tuple[Key, ...],
        groups: list[list[Element]],
        flow: Flow,
        nat: Nat | None = None,
    ) -> Space | None:
        """Does what each group of elements says; what none of them certainly holds."""
        assert flow.region is not None  # noqa: S101
        if packet_set.unknown or packet_set.name in flow.dirty:
            self.end("unknown", flow)
            return None
        rest = flow.region
        for elements in groups:
            part: Part = self._cutter.elements(packet_set, keys, flow, elements)
            here = self._with(flow, part.possible & flow.region)
            rest = rest - part.sure
            if here is None:
                continue
            if nat is not None:
                self.translated(nat, *chosen(elements[0], nat.ports), here)
            elif (verdict := elements[0].verdict) is not None:
                self.verdict(verdict, here)
        return EMPTY if self._cutter.always_found(packet_set, keys, flow) else rest


def _numbers(ruleset: Ruleset, names: frozenset[str]) -> set[int]:
    """Every number that some match compares these keys with."""
    found: set[int] = set()
    seen: set[int] = set()
    for table in ruleset.tables:
        for one in table.chains.values():
            for rule in one.rules:
                for part in rule.parts:
                    if isinstance(part, (Test, Lookup, AnyOf, AllOf, VerdictMap, Nat)):
                        _collect(part, names, found, seen)
    return found


def _collect(
    part: Match | VerdictMap | Nat, names: frozenset[str], found: set[int], seen: set[int]
) -> None:
    if isinstance(part, (AnyOf, AllOf)):
        for one in part.matches:
            _collect(one, names, found, seen)
    elif isinstance(part, Test):
        if part.key.name in names:
            found |= {end for field in part.fields if isinstance(field, tuple) for end in field}
    elif isinstance(part, (Lookup, VerdictMap, Nat)):
        packet_set = part.set if isinstance(part, Lookup) else part.map
        if packet_set is None or id(packet_set) in seen:
            return
        places = [place for place, key in enumerate(part.keys) if key.name in names]
        if places:
            seen.add(id(packet_set))
            for element in packet_set.elements:
                found |= {end for place in places for end in _ends(element.fields[place])}


def _ends(field: object) -> tuple[int, ...]:
    return field if isinstance(field, tuple) else ()

"""For which sources and ports a match holds: the part of a region, exactly or at most. Pure.

A region is a ``Space`` of one family and protocol. Matches on the source address and on the
destination port (or the port before DNAT) cut it; all others are asked of the one packet that
stands for the region.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

from rules.parse.names import PORT_PROTOCOLS
from rules.record import record
from rules.ruleset import AllOf, AnyOf, Element, Field, Key, Lookup, Match, PacketSet, Range, Test
from rules.space import EMPTY, LAST_ADDRESS, Box, Space, last_port
from rules.tracing.flow import Flow
from rules.tracing.keys import read
from rules.tracing.match import Matcher, among

_PORTED = frozenset(PORT_PROTOCOLS.values())
_SOURCES = {
    "ip saddr": 4,
    "ip6 saddr": 6,
    "ct original ip saddr": 4,
    "ct original ip6 saddr": 6,
    "ct original saddr": 0,
}
_PORTS = frozenset({"th dport", *(f"{name} dport" for name in PORT_PROTOCOLS)})


@record
class Part:
    """Of a region what certainly matches (``sure``) and what may match (``maybe``)."""

    sure: Space
    maybe: Space

    @property
    def possible(self) -> Space:
        """What matches or may match."""
        return self.sure | self.maybe if self.maybe else self.sure


NOTHING = Part(EMPTY, EMPTY)


class Cutter:
    """Cuts regions by matches; keeps what it made of each set."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        # The sets are kept with their parts, so that their id() stays theirs.
        self._sets: dict[tuple[object, ...], tuple[PacketSet, Part]] = {}

    def cut(self, match: Match, flow: Flow, region: Space) -> Part:
        """The part of the region for which the match holds."""
        if isinstance(match, Test):
            return self._test(match, flow, region)
        if isinstance(match, Lookup):
            return self._lookup(match, flow, region)
        if isinstance(match, (AnyOf, AllOf)):
            return self._several(match, flow, region)
        return Part(EMPTY, region)

    def elements(
        self, packet_set: PacketSet, keys: Sequence[Key], flow: Flow, wanted: Iterable[Element]
    ) -> Part:
        """Where the packet's values are one of these elements of a set."""
        values = [None if _kind(key, flow) else read(flow, key) for key in keys]
        if any(
            value is None and not _kind(key, flow) for key, value in zip(keys, values, strict=True)
        ):
            return NOTHING
        sure: list[Box] = []
        maybe: list[Box] = []
        for element in wanted:
            truth: bool | str = True
            for value, field in zip(values, element.fields, strict=True):
                if value is None:
                    continue
                held = among(value, (field,))
                if held is False:
                    truth = False
                    break
                truth = truth if held is True else held
            if truth is False:
                continue
            box, exact = _box(keys, element.fields, flow)
            if box is not None:
                (sure if truth is True and exact else maybe).append(box)
        certain = Space.of(sure)
        return Part(certain, Space.of(maybe) - certain if maybe else EMPTY)

    @staticmethod
    def always_found(packet_set: PacketSet, keys: Sequence[Key], flow: Flow) -> bool:
        """Whether some element holds, whichever of its values the one key has: a random number."""
        if len(keys) != 1 or _kind(keys[0], flow):
            return False
        value = read(flow, keys[0])
        fields = tuple(element.fields[0] for element in packet_set.elements)
        return value is not None and bool(fields) and among(value, fields) is True

    def _several(self, match: AnyOf | AllOf, flow: Flow, region: Space) -> Part:
        parts = [self.cut(one, flow, region) for one in match.matches]
        if isinstance(match, AnyOf):
            sure = reduce(Space.__or__, (part.sure for part in parts), EMPTY)
            possible = reduce(Space.__or__, (part.possible for part in parts), EMPTY)
        else:
            sure = reduce(Space.__and__, (part.sure for part in parts), region)
            possible = reduce(Space.__and__, (part.possible for part in parts), region)
        maybe = possible - sure
        return Part(region - possible if match.negated else sure, maybe)

    def _test(self, test: Test, flow: Flow, region: Space) -> Part:
        kind = _kind(test.key, flow)
        if not kind:
            truth = self._matcher.holds(test, flow)
            if isinstance(truth, str):
                return Part(EMPTY, region)
            return Part(region, EMPTY) if truth else NOTHING
        fields = _unmasked(test.key, test.fields, flow)
        if fields is None:
            return Part(EMPTY, region)
        boxes = [box for field in fields if (box := _side(kind, field, flow)) is not None]
        inside = Space.of(boxes) & region
        return Part(region - inside if test.negated else inside, EMPTY)

    def _lookup(self, lookup: Lookup, flow: Flow, region: Space) -> Part:
        if lookup.set.unknown or (lookup.set.name and lookup.set.name in flow.dirty):
            return Part(EMPTY, region)
        if any(not _kind(key, flow) and read(flow, key) is None for key in lookup.keys):
            return NOTHING
        whole = self._whole(lookup, flow)
        sure, maybe = whole.sure & region, whole.maybe & region
        if lookup.negated:
            sure = region - sure - maybe
        return Part(sure, maybe)

    def _whole(self, lookup: Lookup, flow: Flow) -> Part:
        """The whole set, for packets like this one."""
        others = tuple(read(flow, key) for key in lookup.keys if not _kind(key, flow))
        packet, names = flow.packet, tuple(key.name for key in lookup.keys)
        place = (id(lookup.set), packet.family, packet.protocol, packet.icmp_type, names, others)
        if (found := self._sets.get(place)) is None:
            found = self._sets[place] = (lookup.set, self._made(lookup, flow))
        return found[1]

    def _made(self, lookup: Lookup, flow: Flow) -> Part:
        elements = lookup.set.elements
        if not any(element.excluded for element in elements):
            return self.elements(lookup.set, lookup.keys, flow, elements)
        sure, maybe = EMPTY, EMPTY
        # ipset's nomatch: of the networks that hold an address the narrowest one counts.
        for element in sorted(elements, key=_width, reverse=True):
            part = self.elements(lookup.set, lookup.keys, flow, [element])
            if element.excluded:
                sure, maybe = sure - part.possible, (maybe - part.sure) | (sure & part.maybe)
            else:
                sure, maybe = sure | part.sure, (maybe - part.sure) | part.maybe
        return Part(sure, maybe - sure)


def _kind(key: Key, flow: Flow) -> str:
    """``source`` or ``port`` where the key reads a side of the region, else empty."""
    packet = flow.packet
    name = key.name
    if (family := _SOURCES.get(name)) is not None:
        if family not in (0, packet.family) or (name[:2] == "ct" and not flow.has_connection):
            return ""
        return "source"
    if packet.protocol not in _PORTED:
        return ""
    if name in _PORTS and flow.port is None:
        protocol = PORT_PROTOCOLS.get(name.split(" ")[0], packet.protocol)
        return "port" if protocol == packet.protocol else ""
    if name == "ct original proto-dst" and packet.original_port is None and flow.has_connection:
        return "port"
    return ""


def _unmasked(key: Key, fields: tuple[Field, ...], flow: Flow) -> tuple[Field, ...] | None:
    """The ranges of a test without its mask; None where they are no few ranges."""
    if key.mask is None and not key.xor:
        return fields
    width = {4: 32, 6: 128}[flow.packet.family] if "saddr" in key.name else 16
    rest = ~(key.mask if key.mask is not None else -1) & ((1 << width) - 1)
    if key.xor or rest & (rest + 1):
        return None
    found: list[Field] = []
    for field in fields:
        if isinstance(field, str) or field[0] != field[1]:
            return None
        # A value with bits outside the mask is never met.
        found += [(field[0], field[0] | rest)] if not field[0] & rest else []
    return tuple(found)


def _side(kind: str, field: Field, flow: Flow) -> Box | None:
    family, protocol = flow.packet.family, flow.packet.protocol
    if isinstance(field, str):
        return None
    sources, ports = (0, LAST_ADDRESS[family]), all_ports(flow)
    if kind == "source":
        sources = (field[0], min(field[1], LAST_ADDRESS[family]))
    else:
        ports = (field[0], min(field[1], last_port(protocol)))
    if sources[0] > sources[1] or ports[0] > ports[1]:
        return None
    return Box(family, protocol, sources, ports)


def all_ports(flow: Flow) -> Range:
    """The whole side of the region that stands for ports: of ICMP the type of the packet."""
    packet = flow.packet
    if packet.icmp_type is not None:
        return packet.icmp_type, packet.icmp_type
    return 0, last_port(packet.protocol)


def _box(keys: Sequence[Key], fields: tuple[Field, ...], flow: Flow) -> tuple[Box | None, bool]:
    """The part of the region that the fields leave, and whether they say it exactly."""
    packet = flow.packet
    sources, ports, exact = (0, LAST_ADDRESS[packet.family]), all_ports(flow), True
    for key, field in zip(keys, fields, strict=True):
        kind = _kind(key, flow)
        if not kind:
            continue
        one = _unmasked(key, (field,), flow)
        if one is None:
            exact = False
            continue
        side = _side(kind, one[0], flow) if one else None
        if side is None:
            return None, True
        if kind == "source":
            sources = (max(sources[0], side.sources[0]), min(sources[1], side.sources[1]))
        else:
            ports = (max(ports[0], side.ports[0]), min(ports[1], side.ports[1]))
    if sources[0] > sources[1] or ports[0] > ports[1]:
        return None, True
    return Box(packet.family, packet.protocol, sources, ports), exact


def _width(element: Element) -> int:
    width = 1
    for field in element.fields:
        if isinstance(field, tuple):
            width *= field[1] - field[0] + 1
    return width

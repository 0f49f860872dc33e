"""Whether a match holds for a packet: yes, no, or nobody can tell (and why). Pure."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from rules.ruleset import (
    AllOf,
    AnyOf,
    Element,
    Field,
    Key,
    Lookup,
    Match,
    PacketSet,
    Range,
    Test,
    Unsupported,
)
from rules.tracing.flow import Flow, Open, Value
from rules.tracing.keys import read

# True, False, or the reason for which it cannot be told.
Truth = bool | str
# From this many fields on, an index is quicker than looking at each.
_MANY = 8


class Matcher:
    """Answers for one ruleset; keeps an index of each large set that it met."""

    def __init__(self) -> None:
        # The objects are kept with their index, so that their id() stays theirs.
        self._ranges: dict[int, tuple[object, list[Range]]] = {}
        self._exact: dict[int, tuple[PacketSet, _Index]] = {}

    def holds(self, match: Match, flow: Flow) -> Truth:
        """Whether the packet matches."""
        if isinstance(match, Test):
            return self._test(match, flow)
        if isinstance(match, Lookup):
            return self._lookup(match, flow)
        if isinstance(match, Unsupported):
            return match.text
        return self._several(match, flow)

    def _several(self, match: AnyOf | AllOf, flow: Flow) -> Truth:
        decides = isinstance(match, AnyOf)
        doubt = ""
        for part in match.matches:
            truth = self.holds(part, flow)
            if truth is decides:
                return decides is not match.negated
            if isinstance(truth, str):
                doubt = doubt or truth
        return doubt or ((not decides) is not match.negated)

    def _test(self, test: Test, flow: Flow) -> Truth:
        value = read(flow, test.key)
        if value is None:
            return False
        if isinstance(value, int) and len(test.fields) > _MANY:
            truth: Truth = _in_sorted(self._sorted(test), value)
        else:
            truth = among(value, test.fields)
        return truth if isinstance(truth, str) else truth is not test.negated

    def _sorted(self, test: Test) -> list[Range]:
        if (found := self._ranges.get(id(test))) is None:
            ranges = sorted(field for field in test.fields if isinstance(field, tuple))
            found = self._ranges[id(test)] = (test, _merged(ranges))
        return found[1]

    def _lookup(self, lookup: Lookup, flow: Flow) -> Truth:
        found = self.find(lookup.set, lookup.keys, flow)
        if found is None:
            return False
        if isinstance(found, str):
            return found
        return bool(found) is not lookup.negated

    def find(
        self, packet_set: PacketSet, keys: tuple[Key, ...], flow: Flow
    ) -> tuple[Element, ...] | str | None:
        """The element that the packet's values are, as a tuple; empty: no element.

        Text: why it cannot be told. None: the packet has no such header, so the rule ends.
        """
        values = [read(flow, key) for key in keys]
        if any(value is None for value in values):
            return None
        if packet_set.unknown:
            return packet_set.unknown
        if packet_set.name and packet_set.name in flow.dirty:
            return f"set {packet_set.name} changes while packets pass"
        index = self._index(packet_set)
        if any(isinstance(value, Open) for value in values):
            return _find_open(packet_set, values)
        return index.find(values)

    def possible(
        self, packet_set: PacketSet, keys: tuple[Key, ...], flow: Flow
    ) -> tuple[list[Element], bool]:
        """Every element that the values may be, and whether one of them certainly is."""
        values = [read(flow, key) for key in keys]
        found = [
            element for element in packet_set.elements if _fits(values, element.fields) is not False
        ]
        return found, len(values) == 1 and _covered(values[0], found)

    def _index(self, packet_set: PacketSet) -> _Index:
        if (found := self._exact.get(id(packet_set))) is None:
            found = self._exact[id(packet_set)] = (packet_set, _Index(packet_set))
        return found[1]


class _Index:
    """The elements of a set: exact ones in a dictionary, single ranges sorted, the rest a list."""

    def __init__(self, packet_set: PacketSet) -> None:
        self.default = packet_set.default
        self.exact: dict[tuple[int | str, ...], Element] = {}
        self.rest: list[Element] = []
        self.starts: list[int] = []
        self.ordered: list[Element] = []
        excluding = any(element.excluded for element in packet_set.elements)
        single: list[tuple[Range, Element]] = []
        for element in packet_set.elements:
            exact = _exact_key(element.fields)
            if exact is not None and not element.excluded:
                self.exact[exact] = element
            elif len(element.fields) == 1 and isinstance(element.fields[0], tuple):
                single.append((element.fields[0], element))
            else:
                self.rest.append(element)
        single.sort(key=lambda item: item[0])
        disjoint = all(before[0][1] < after[0][0] for before, after in pairwise(single))
        if excluding or not disjoint:
            self.rest += [element for _, element in single]
        else:
            self.starts = [field[0] for field, _ in single]
            self.ordered = [element for _, element in single]

    def find(self, values: list[Value]) -> tuple[Element, ...]:
        """The element of these values (all known), the narrowest one where several hold them."""
        exact = self.exact.get(tuple(values))  # type: ignore[arg-type]
        if exact is not None:
            return (exact,)
        if self.starts and isinstance(values[0], int):
            place = bisect_right(self.starts, values[0]) - 1
            if place >= 0 and _fits(values, self.ordered[place].fields) is True:
                return (self.ordered[place],)
        found = [element for element in self.rest if _fits(values, element.fields) is True]
        if found:
            narrowest = min(found, key=lambda element: _width(element.fields))
            return () if narrowest.excluded else (narrowest,)
        return () if self.default is None else (self.default,)


def among(value: Value, fields: tuple[Field, ...]) -> Truth:
    """Whether a value (not None) is in one of the fields."""
    if isinstance(value, str):
        return any(isinstance(field, str) and fits_name(value, field) for field in fields)
    if isinstance(value, Open):
        return _open_among(value, fields)
    return any(
        isinstance(field, tuple) and field[0] <= value <= field[1]  # type: ignore[operator]
        for field in fields
    )


def fits_name(name: str, pattern: str) -> bool:
    """Whether an interface's name is the pattern, or begins as one that ends in ``*``."""
    if pattern.endswith("*") and not pattern.endswith("\\*"):
        return name.startswith(pattern[:-1])
    return name == pattern.replace("\\*", "*")


def _open_among(value: Open, fields: tuple[Field, ...]) -> Truth:
    names = [field for field in fields if isinstance(field, str)]
    if names:
        if "*" in names:
            return True
        if all(name in value.names for name in names):
            return False
        return value.reason
    ranges = _merged(sorted(field for field in fields if isinstance(field, tuple)))
    touched = [
        (first, last)
        for first, last in value.ranges
        if any(first <= high and low <= last for low, high in ranges)
    ]
    if not touched:
        return False
    inside = all(
        any(low <= first and last <= high for low, high in ranges) for first, last in value.ranges
    )
    return True if inside else value.reason


def _find_open(packet_set: PacketSet, values: list[Value]) -> tuple[Element, ...] | str:
    """With an open value only what holds for all its possibilities is an answer."""
    doubt = ""
    for element in packet_set.elements:
        truth = _fits(values, element.fields)
        if truth is True and not element.excluded:
            return (element,)
        if truth is not False:
            doubt = doubt or (truth if isinstance(truth, str) else "an exception of the set")
    if doubt:
        if len(values) == 1 and _covered(values[0], list(packet_set.elements)):
            return packet_set.elements[:1] if not _differ(packet_set) else doubt
        return doubt
    return () if packet_set.default is None else (packet_set.default,)


def _differ(packet_set: PacketSet) -> bool:
    """Whether it matters which element it is: maps, and sets with exceptions."""
    return any(
        element.verdict is not None or element.data or element.excluded
        for element in packet_set.elements
    )


def _covered(value: Value, elements: list[Element]) -> bool:
    fields = tuple(element.fields[0] for element in elements if element.fields)
    return value is not None and bool(fields) and among(value, fields) is True


def _fits(values: list[Value], fields: tuple[Field, ...]) -> Truth:
    doubt = ""
    for value, field in zip(values, fields, strict=True):
        truth = among(value, (field,))
        if truth is False:
            return False
        if isinstance(truth, str):
            doubt = doubt or truth
    return doubt or True


def _exact_key(fields: tuple[Field, ...]) -> tuple[int | str, ...] | None:
    key: list[int | str] = []
    for field in fields:
        if isinstance(field, str):
            if field.endswith("*"):
                return None
            key.append(field)
        elif field[0] == field[1]:
            key.append(field[0])
        else:
            return None
    return tuple(key)


def _width(fields: tuple[Field, ...]) -> int:
    width = 1
    for field in fields:
        if isinstance(field, tuple):
            width *= field[1] - field[0] + 1
    return width


def _merged(ranges: list[Range]) -> list[Range]:
    """Sorted ranges, those that touch as one."""
    merged: list[Range] = []
    for first, last in ranges:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def _in_sorted(ranges: list[Range], value: int) -> bool:
    place = bisect_right(ranges, (value, 1 << 129)) - 1
    return place >= 0 and ranges[place][0] <= value <= ranges[place][1]

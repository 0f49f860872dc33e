"""Packet space against a plain set of points, by property."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import space
from rules.intervals import combine, count, normal
from rules.space import EMPTY, Box, Packet, Space, everything

SOURCES, PORTS, KEYS = 8, 6, ((4, 6), (4, 17), (6, 6))
Point = tuple[int, int, int, int]


def interval(limit: int) -> st.SearchStrategy[tuple[int, int]]:
    ends = st.integers(0, limit - 1)
    return st.tuples(ends, ends).map(lambda pair: (min(pair), max(pair)))


BOXES = st.builds(
    lambda key, sources, ports: Box(key[0], key[1], sources, ports),
    st.sampled_from(KEYS),
    interval(SOURCES),
    interval(PORTS),
)
SPACES = st.lists(BOXES, max_size=8)


def points(boxes: Any) -> set[Point]:
    return {
        (box.family, box.protocol, source, port)
        for box in boxes
        for source in range(box.sources[0], box.sources[1] + 1)
        for port in range(box.ports[0], box.ports[1] + 1)
    }


OPERATIONS: list[tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = [
    (lambda a, b: a | b, lambda a, b: a | b),
    (lambda a, b: a & b, lambda a, b: a & b),
    (lambda a, b: a - b, lambda a, b: a - b),
]


@settings(max_examples=300)
@given(SPACES, SPACES)
def test_every_operation_is_that_of_sets_of_points(left: list[Box], right: list[Box]) -> None:
    a, b = Space.of(left), Space.of(right)
    for on_spaces, on_points in OPERATIONS:
        made, expected = on_spaces(a, b), on_points(points(left), points(right))
        assert points(made.boxes()) == expected
        assert made.size() == len(expected)
        assert made == Space.of(made.boxes())
        assert bool(made) == bool(expected)
    assert (a == b) == (points(left) == points(right))
    assert (a <= b) == (points(left) <= points(right))


@given(SPACES, SPACES, SPACES)
def test_the_laws_of_sets(x: list[Box], y: list[Box], z: list[Box]) -> None:
    a, b, c = Space.of(x), Space.of(y), Space.of(z)
    assert a | b == b | a
    assert a & (b | c) == (a & b) | (a & c)
    assert a - (b | c) == (a - b) & (a - c)
    assert (a - b) | (a & b) == a
    assert a - a == EMPTY


@given(SPACES)
def test_boxes_are_disjoint_and_no_more_than_were_given_apart(boxes: list[Box]) -> None:
    made = Space.of(boxes).boxes()
    assert sum(len(points([box])) for box in made) == len(points(made))


@given(SPACES)
def test_membership_and_witness(boxes: list[Box]) -> None:
    made, expected = Space.of(boxes), points(boxes)
    for (family, protocol), source, port in product(KEYS, range(SOURCES), range(PORTS)):
        address = ip_address(source.to_bytes(4 if family == 4 else 16, "big"))
        inside = Packet(family, protocol, address, port) in made
        assert inside == ((family, protocol, source, port) in expected)
    witness = made.witness()
    assert (witness is None) == (not expected)
    assert witness is None or witness in made


@given(st.lists(interval(12), max_size=6), st.lists(interval(12), max_size=6))
def test_intervals_are_sets_of_numbers(left: Any, right: Any) -> None:
    def numbers(intervals: Any) -> set[int]:
        return {value for first, last in intervals for value in range(first, last + 1)}

    a, b = normal(left), normal(right)
    assert numbers(a) == numbers(left)
    assert count(a) == len(numbers(a))
    assert numbers(combine(a, b, lambda p, q: p and not q)) == numbers(a) - numbers(b)
    assert normal(combine(a, b, lambda p, q: p or q)) == combine(a, b, lambda p, q: p or q)


def test_neighbouring_networks_and_ports_become_one_box() -> None:
    boxes = [
        Box.of(ip_network(f"192.0.2.{low}/25"), 6, ports)
        for low in (0, 128)
        for ports in ((6443, 6443), (6444, 6450))
    ]
    (box,) = Space.of(boxes).boxes()
    assert box.networks == (ip_network("192.0.2.0/24"),)
    assert box.ports == (6443, 6450)


def test_ipv6_addresses_stay_ipv6_however_small() -> None:
    made = Space.of([Box.of(ip_network("::/120"), 58, (128, 128))])
    witness = made.witness()
    assert witness is not None
    assert witness.source == ip_address("::")
    assert made.boxes()[0].networks == (ip_network("::/120"),)


def test_everything_less_a_box_and_with_it_again_is_everything() -> None:
    box = Space.of([Box.of(ip_network("2001:db8::/32"), 6, (22, 22))])
    assert (everything(6) - box) | box == everything(6)


@pytest.mark.parametrize(
    "box",
    [
        Box(4, 6, (5, 4), (1, 1)),
        Box(4, 6, (0, 2**32), (1, 1)),
        Box(4, 6, (0, 1), (1, 65536)),
        Box(4, 1, (0, 1), (0, 256)),
        Box(4, 256, (0, 1), (0, 0)),
        Box(5, 6, (0, 1), (0, 0)),
    ],
)
def test_a_box_outside_the_space_is_refused(box: Box) -> None:
    with pytest.raises(ValueError, match=r"outside|protocol"):
        Space.of([box])


@pytest.mark.sweep
def test_the_work_grows_with_the_boxes_and_not_with_their_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = 0

    def counted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return combine(*arguments)

    monkeypatch.setattr(space, "combine", counted)

    def work(boxes: int) -> int:
        nonlocal calls
        calls = 0
        spread = [Box(4, 6, (i * 7, i * 7 + 9), (i % 60000, i % 60000 + 3)) for i in range(boxes)]
        _ = Space.of(spread)
        return calls

    small, large = work(500), work(5000)
    assert large < small * 20

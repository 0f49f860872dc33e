"""Sets of whole numbers as sorted, disjoint, non-adjacent closed intervals. Pure and canonical."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Interval = tuple[int, int]
Intervals = tuple[Interval, ...]


def normal(intervals: Iterable[Interval]) -> Intervals:
    """Any intervals, overlapping or not -> the canonical form. Reversed ones are an error."""
    merged: list[list[int]] = []
    for first, last in sorted(intervals):
        if first > last:
            raise ValueError(f"the interval {first}-{last} is reversed")
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return tuple((first, last) for first, last in merged)


def combine(left: Intervals, right: Intervals, keep: Callable[[bool, bool], bool]) -> Intervals:
    """The numbers for which ``keep(in left, in right)``; ``keep(False, False)`` must be False.

    One pass over the ends of both, so linear in their count.
    """
    ends = sorted(
        [(end, 0) for first, last in left for end in (first, last + 1)]
        + [(end, 1) for first, last in right for end in (first, last + 1)]
    )
    inside = [False, False]
    found: list[Interval] = []
    began: int | None = None
    position = 0
    while position < len(ends):
        here = ends[position][0]
        while position < len(ends) and ends[position][0] == here:
            inside[ends[position][1]] ^= True
            position += 1
        wanted = keep(inside[0], inside[1])
        if wanted and began is None:
            began = here
        elif not wanted and began is not None:
            found.append((began, here - 1))
            began = None
    return tuple(found)


def count(intervals: Intervals) -> int:
    """How many numbers are in it."""
    return sum(last - first + 1 for first, last in intervals)

"""Overlaps among many ranges, without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from preflight.facts.model.network import IPNetwork

T = TypeVar("T")
Entry = tuple[IPNetwork, T]


def overlapping(entries: Iterable[Entry[T]]) -> Iterator[tuple[Entry[T], Entry[T]]]:
    """Each entry that lies in (or equals) another one, with the innermost one that holds it.

    Two ranges overlap only where one holds the other, so sorted order finds them in one pass.
    """
    holding: list[Entry[T]] = []
    for entry in sorted(entries, key=_order):
        network = entry[0]
        while holding and not _holds(holding[-1][0], network):
            holding.pop()
        if holding:
            yield holding[-1], entry
        holding.append(entry)


def _order(entry: Entry[T]) -> tuple[int, int, int]:
    network = entry[0]
    return network.version, int(network.network_address), network.prefixlen


def _holds(outer: IPNetwork, inner: IPNetwork) -> bool:
    return outer.version == inner.version and outer.overlaps(inner)

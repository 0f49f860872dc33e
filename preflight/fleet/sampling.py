"""Who probes whom: all pairs of a small fleet, a random part of a large one. Pure, by a seed.

Above ``ALL_PAIRS`` nodes every node probes every master, and ``k`` others chosen at random; every
master probes ``k`` others as well. The plan is O(n) where the masters are few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb
from random import Random

from rules.record import record

ALL_PAIRS = 50
# With 10 peers each way a broken node is missed once in 10,000 runs at the most, see ``odds``.
DEFAULT_K = 10
LARGEST_K = 1000
# Nodes behind one switch; what is said of racks is said of this many.
RACK = 40


@record
class Plan:
    """``pairs``: (who probes, who is probed), by index. ``k`` None: all pairs."""

    nodes: int
    masters: int
    k: int | None
    seed: int
    pairs: tuple[tuple[int, int], ...]


@record
class Odds:
    """How likely a plan is not to see a fault among workers, 0 to 1.

    ``pair``: one way between two workers is closed. ``node``: one worker can be reached by no
    other worker. ``rack``: no worker of a rack reaches one of another rack, of ``rack_size`` each.
    """

    pair: float
    node: float
    rack: float
    rack_size: int


def plan(masters: Sequence[int], workers: Sequence[int], *, k: int, seed: int) -> Plan:
    """The pairs to probe. The same arguments give the same plan, on any machine."""
    count = len(masters) + len(workers)
    if count <= ALL_PAIRS:
        every = sorted([*masters, *workers])
        pairs = tuple((one, other) for one in every for other in every if one != other)
        return Plan(count, len(masters), None, seed, pairs)
    return Plan(count, len(masters), k, seed, tuple(_sampled(masters, workers, k, seed)))


def _sampled(
    masters: Sequence[int], workers: Sequence[int], k: int, seed: int
) -> Iterator[tuple[int, int]]:
    # Nothing secret: the same choice must come out again.
    chance = Random(seed)  # noqa: S311
    known = frozenset(masters)
    for one in [*masters, *workers]:
        for master in masters:
            if master != one:
                yield one, master
        yield from ((one, other) for other in _others(chance, workers, one, k, one in known))


def _others(chance: Random, workers: Sequence[int], one: int, k: int, outside: bool) -> list[int]:
    """``k`` different workers, never ``one`` itself."""
    if outside:
        return chance.sample(workers, min(k, len(workers)))
    found = chance.sample(workers, min(k + 1, len(workers)))
    return [other for other in found if other != one][:k]


def odds(made: Plan, *, rack_size: int) -> Odds:
    """The probabilities of missing a fault, exactly, for one plan chosen at random.

    Each worker chooses ``k`` of the ``m - 1`` others, so one way between two of them is tried with
    probability k / (m - 1); and each choice is independent of the others' choices.
    """
    workers = made.nodes - made.masters
    if made.k is None or workers < 2:
        return Odds(0.0, 0.0, 0.0, rack_size)
    others = workers - 1
    k = min(made.k, others)
    tried = k / others
    # A worker misses a whole rack if all its k choices are outside of it.
    outside = comb(others - rack_size, k) / comb(others, k) if others >= rack_size + k else 0.0
    return Odds(
        pair=1 - tried, node=(1 - tried) ** others, rack=outside**rack_size, rack_size=rack_size
    )

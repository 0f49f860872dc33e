"""The plan of who probes whom: complete, bounded, repeatable, and as likely to miss as it says."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from random import Random

import pytest

from preflight.fleet.sampling import ALL_PAIRS, odds, plan

FAULTS = 10_000


def test_a_small_fleet_is_probed_in_all_pairs() -> None:
    made = plan([0, 1, 2], range(3, 50), k=3, seed=1)
    assert made.nodes == ALL_PAIRS
    assert made.k is None
    assert len(made.pairs) == len(set(made.pairs)) == 50 * 49
    assert all(one != other for one, other in made.pairs)
    assert vars(odds(made, rack_size=5)) == {"pair": 0, "node": 0, "rack": 0, "rack_size": 5}


@pytest.mark.parametrize("workers", [60, 600, 6000])
def test_a_large_fleet_grows_by_its_nodes_and_leaves_no_master_out(workers: int) -> None:
    masters, others = range(3), range(3, 3 + workers)
    made = plan(masters, others, k=7, seed=42)
    assert len(made.pairs) == len(set(made.pairs)) == 3 * (2 + 7) + workers * (3 + 7)
    assert all(one != other for one, other in made.pairs)
    sent = Counter(one for one, other in made.pairs if other >= 3)
    assert set(sent.values()) == {7}
    assert len(sent) == workers + 3
    got = Counter(other for _, other in made.pairs)
    assert all(got[master] == workers + 2 for master in masters)


def test_the_seed_alone_decides() -> None:
    arguments = (range(3), range(3, 203))
    assert plan(*arguments, k=5, seed=9) == plan(*arguments, k=5, seed=9)
    assert plan(*arguments, k=5, seed=9).pairs != plan(*arguments, k=5, seed=10).pairs
    # Written down, so that another Python or another machine that differs is found.
    assert plan(*arguments, k=2, seed=1).pairs[2:4] == ((0, 37), (0, 148))


def test_more_peers_than_there_are_is_all_of_them() -> None:
    made = plan([0], range(1, 60), k=500, seed=3)
    assert len(set(made.pairs)) == 60 * 59
    assert odds(made, rack_size=5).pair == 0


def _missed(workers: int, k: int, rack_size: int) -> dict[str, float]:
    """The share of faults, of each kind, that plans with new seeds did not meet."""
    chance = Random(20261125)  # noqa: S311
    missed = Counter[str]()
    # A plan per 20 faults: faults are independent of it, and plans are dear.
    for seed in range(FAULTS // 20):
        pairs = plan([], range(workers), k=k, seed=seed).pairs
        tried = set(pairs)
        reached = {other for _, other in pairs}
        for _ in range(20):
            one, other = chance.sample(range(workers), 2)
            missed["pair"] += (one, other) not in tried
            missed["node"] += chance.randrange(workers) not in reached
            first = chance.randrange(workers // rack_size) * rack_size
            second = (first + rack_size) % workers
            missed["rack"] += not any(
                (sender, target) in tried
                for sender in range(first, first + rack_size)
                for target in range(second, second + rack_size)
            )
    return {name: missed[name] / FAULTS for name in ("pair", "node", "rack")}


@pytest.mark.parametrize(("workers", "k", "rack_size"), [(100, 2, 5), (200, 3, 4)])
def test_what_is_stated_agrees_with_a_simulation(workers: int, k: int, rack_size: int) -> None:
    stated = odds(plan([], range(workers), k=k, seed=0), rack_size=rack_size)
    seen = _missed(workers, k, rack_size)
    for name, share in seen.items():
        expected = getattr(stated, name)
        # Five standard deviations of 500 plans' means: 20 faults of one plan are not independent.
        room = 5 * sqrt(max(expected * (1 - expected), 1e-4) / (FAULTS // 20))
        print(f"{workers} workers, k {k}: {name} missed {share:.4f}, stated {expected:.4f}")
        assert abs(share - expected) < room, (name, share, expected)
    assert 0 < stated.node < stated.rack < stated.pair < 1


def test_a_broken_node_is_not_missed_by_the_default() -> None:
    from preflight.fleet.sampling import DEFAULT_K

    made = plan(range(3), range(3, 10_003), k=DEFAULT_K, seed=0)
    found = odds(made, rack_size=40)
    assert found.node < 1e-4
    assert found.rack < 0.21
    assert 0.998 < found.pair < 1

"""Ten times the cards are ten times the work: counted in calls, which no other load can change."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from preflight.fleet import answer
from preflight.fleet.card import Card
from preflight.fleet.compare import COMPARISONS
from preflight.fleet.deck import build
from preflight.fleet.gathered import gather
from preflight.fleet.readcards import read_cards
from preflight.fleet.sampling import plan
from tests.fleet.decks import card, filed, healthy, write
from tests.fleet.gatherings import reach, report

pytestmark = pytest.mark.sweep


class Counter:
    """Counts every call that Python sees, of Python's functions and of C's."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Counter:
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, _frame: FrameType, event: str, _argument: Any) -> None:
        if event in ("call", "c_call"):
            self.calls += 1


def _compare(cards: list[Card]) -> int:
    items = filed(cards)
    with Counter() as counter:
        deck = build(items)
        for compare in COMPARISONS.values():
            list(compare(deck))
    return counter.calls


DECKS = {
    "healthy": lambda count: healthy(count - 3),
    # All are one group; all pods overlap; each value of its own.
    "clones": lambda count: [card(n, machine_id="same", node="same") for n in range(4, count + 4)],
    "overlaps": lambda count: [
        card(n, node_pod_subnets=("10.0.0.0/8",)) for n in range(4, count + 4)
    ],
    "nobody agrees": lambda count: [card(n, mtu=1000 + n) for n in range(4, count + 4)],
    "all of other clusters": lambda count: [card(n, cluster=f"c{n}") for n in range(4, count + 4)],
}


@pytest.mark.parametrize("name", DECKS)
def test_comparing_grows_with_the_number_of_cards(name: str) -> None:
    few, many = _compare(DECKS[name](200)), _compare(DECKS[name](2000))
    assert few > 1000
    assert many / few < 10.5


def _answer(place: Path, count: int) -> int:
    """The calls of one answer about a sampled run."""
    cards = healthy(count - 3)
    write(place, cards)
    made = plan(range(3), range(3, count), k=4, seed=7)
    peers: dict[int, list[int]] = {}
    for sender, peer in made.pairs:
        peers.setdefault(sender, []).append(peer)
    for sender, found in peers.items():
        reaches = [reach(cards[peer], 10250, "tcp") for peer in found]
        (place / f"probe-{sender}.json").write_text(json.dumps(report(cards[sender], reaches)))
    with Counter() as counter:
        gathered = gather(str(place))
        deck = build(gathered.filed)
        probes = answer.sort(gathered, deck)
        found_all = [*answer.reach(gathered, probes, deck), *answer.clocks(probes.plain)]
        answer.cells(probes.every)
        answer.role_ports(probes.plain)
    assert {each.status.value for each in found_all} == {"pass"}
    return counter.calls


def test_the_answer_of_a_run_grows_with_its_nodes(tmp_path: Path) -> None:
    few, many = _answer(tmp_path / "few", 60), _answer(tmp_path / "many", 600)
    assert few > 1000
    assert many / few < 10.5


def test_reading_grows_with_the_number_of_cards(tmp_path: Path) -> None:
    counts = []
    for number in (50, 500):
        place = tmp_path / str(number)
        write(place, healthy(number - 3))
        with Counter() as counter:
            filed, misfits = read_cards([str(place)])
        assert (len(filed), misfits) == (number, [])
        counts.append(counter.calls)
    assert counts[1] / counts[0] < 10.5

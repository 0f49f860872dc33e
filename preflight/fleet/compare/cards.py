"""Whether every card that was given could be compared."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.registry import Judgement, passed, undetermined, warned
from preflight.fleet.card import Deck


def usable(deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement for each card that is left out, or one that none is."""
    for misfit in deck.misfits:
        said = f"{misfit.source}: {misfit.problem}"
        if misfit.compared:
            yield warned(said, subject=misfit.source, remedy=misfit.remedy, nodes=misfit.nodes)
        else:
            yield undetermined(
                f"{said}; it is not compared",
                subject=misfit.source,
                remedy=misfit.remedy,
                nodes=misfit.nodes,
            )
    if len(deck.cards) < 2:
        count = "only one card" if deck.cards else "no card"
        yield undetermined(
            f"{count} can be compared, so nothing is seen of other nodes",
            remedy="make a card on each node and give them all: nodeprep facts --card",
        )
    elif not deck.misfits:
        yield passed(f"{len(deck.cards)} cards, all of the cluster {deck.cluster}")

"""What must be each node's own: the same value on two cards is a clone, or a mistake."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

from preflight.checks.registry import Judgement, failed, passed
from preflight.facts.model.known import Unknown
from preflight.fleet.card import Deck, Filed, shown
from preflight.fleet.compare.words import labels_of, named, not_known
from preflight.fleet.identifiers import Identifier


def comparison(identifier: Identifier) -> Callable[[Deck], Iterator[Judgement]]:
    """The comparison of all cards by one identifier."""
    return partial(compare, identifier)


def compare(identifier: Identifier, deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement for each group of nodes that share values, or one that none does."""
    if len(deck.cards) < 2:
        return
    owners: dict[str, list[Filed]] = defaultdict(list)
    unknown: list[tuple[Filed, str]] = []
    for item in deck.cards:
        values = identifier.values(item.card)
        if isinstance(values, Unknown):
            unknown.append((item, values.message))
        else:
            for value in values:
                owners[value].append(item)
    # Several values that the same nodes share (three host keys) are one finding.
    shared: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for value, items in owners.items():
        if len(items) > 1:
            shared[labels_of(items)].append(value)
    for labels, same in shared.items():
        yield judgement(identifier, labels, same)
    if unknown:
        yield not_known(identifier.what, unknown)
    if not shared and owners:
        count = len(deck.cards) - len(unknown)
        yield passed(f"no two of {count} nodes share {identifier.what}")


def judgement(identifier: Identifier, labels: tuple[str, ...], values: list[str]) -> Judgement:
    """That these nodes share these values of one identifier."""
    seen = ", ".join(shown(value) for value in values) if identifier.shows else ""
    return failed(
        f"{named(labels)} have {identifier.what}{f' {seen}' if seen else ''} in common",
        subject=seen or named(labels),
        observed=seen or "the same",
        expected="one of its own for each",
        remedy=identifier.remedy,
        nodes=labels,
    )

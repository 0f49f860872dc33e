"""How messages name nodes: a few by name, the rest by number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from preflight.checks.registry import Judgement, undetermined
from preflight.fleet.card import Filed

SHOWN = 6


def named(labels: Sequence[str]) -> str:
    """``w1, w2 and w3``; of many the first ones and ``4994 more``."""
    if len(labels) == 1:
        return labels[0]
    if len(labels) <= SHOWN:
        return f"{', '.join(labels[:-1])} and {labels[-1]}"
    return f"{', '.join(labels[:SHOWN])} and {len(labels) - SHOWN} more"


def labels_of(items: Iterable[Filed]) -> tuple[str, ...]:
    """The labels, in the order of the cards."""
    return tuple([item.label for item in items])


def not_known(what: str, items: Sequence[tuple[Filed, str]]) -> Judgement:
    """One judgement on the cards that do not tell something; ``items`` with their reasons."""
    labels = labels_of(item for item, _ in items)
    reasons = tuple(dict.fromkeys(reason for _, reason in items))
    more = f" (and {len(reasons) - 1} other reasons)" if len(reasons) > 1 else ""
    return undetermined(
        f"{what} of {named(labels)} is not known: {reasons[0]}{more}",
        subject="unknown",
        remedy="mend what the reason names there, and make the cards again as root",
        nodes=labels,
    )

"""Changes as the contract's documents: what is shown of a state, and what is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from preflight.fixes.journal import Entry
from preflight.fixes.kinds import kind, object_name
from preflight.fixes.plan import Plan, in_order

HIDDEN = "(not shown)\n"


def change_items(entries: Iterable[Entry]) -> tuple[dict[str, Any], ...]:
    """The contract's ``changes``, with the checks that each is for."""
    items = []
    for entry in entries:
        shown = kind(entry.kind).shown
        before, after = shown(entry.name, entry.before), shown(entry.name, entry.after)
        items.append(
            {
                "object": object_name(entry.kind, entry.name),
                "before": before and (HIDDEN if entry.secret else before),
                "after": after and (HIDDEN if entry.secret else after),
                "checks": list(entry.checks),
            }
        )
    return tuple(items)


def undo_items(entries: Iterable[Entry]) -> tuple[dict[str, Any], ...]:
    """The changes of an undo: from what is there now to what was."""
    return change_items(
        replace(entry, before=kind(entry.kind).read(entry.name), after=entry.before)
        for entry in entries
    )


def effect_lines(plan: Plan) -> tuple[str, ...]:
    """The commands that are run after the changes."""
    every = [*plan.effects, *(argv for entry in plan.entries for argv in entry.effects)]
    return tuple(" ".join(argv) for argv in in_order(every))

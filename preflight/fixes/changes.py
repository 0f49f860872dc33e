"""Changes as the contract's documents: what is shown of a state, and what is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from preflight.fixes.journal import Entry
from preflight.fixes.kinds import kind, object_name
from preflight.fixes.plan import Plan, in_order
from preflight.fixes.steps import FixError, State

HIDDEN = "(not shown)\n"


def change_items(entries: Iterable[Entry]) -> tuple[dict[str, Any], ...]:
    """The contract's ``changes``, with the checks that each is for."""
    items = []
    for entry in entries:
        shown = kind(entry.kind).shown
        before, after = shown(entry.name, entry.before), shown(entry.name, entry.after)
        if entry.kind == "file" and before is not None and after is not None:
            before, after = differing(before, after)
        items.append(
            {
                "object": object_name(entry.kind, entry.name),
                "before": before and (HIDDEN if entry.secret else before),
                "after": after and (HIDDEN if entry.secret else after),
                "checks": list(entry.checks),
            }
        )
    return tuple(items)


def differing(before: str, after: str) -> tuple[str, str]:
    """The lines that differ: what else a file holds, passwords say, is nobody's to see."""
    old, new = before.splitlines(), after.splitlines()
    # What is the same at both ends is most of a large file, and comparing costs its square.
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    middle = old[start : len(old) - end], new[start : len(new) - end]
    lines = list(difflib.unified_diff(*middle, lineterm="", n=0))[2:]
    return (
        "".join(f"{line[1:]}\n" for line in lines if line.startswith("-")),
        "".join(f"{line[1:]}\n" for line in lines if line.startswith("+")),
    )


def undo_items(entries: Iterable[Entry]) -> tuple[dict[str, Any], ...]:
    """The changes of an undo: from what is there now to what was."""
    return change_items(
        replace(entry, before=_seen(entry), after=entry.before) for entry in entries
    )


def _seen(entry: Entry) -> State:
    """What is there now; what is no file at all is shown as what nodeprep left there."""
    try:
        return kind(entry.kind).read(entry.name)
    except FixError:
        return entry.after


def effect_lines(plan: Plan) -> tuple[str, ...]:
    """The commands that are run after the changes."""
    every = [*plan.effects, *(argv for entry in plan.entries for argv in entry.effects)]
    return tuple(" ".join(argv) for argv in in_order(every))

"""What `nodeprep fix` and `nodeprep undo` print: one document, or lines for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from preflight.finding import Finding
from preflight.report import nextstep
from preflight.report.model import SCHEMA_VERSION, CheckReport
from preflight.report.model import document as check_document
from preflight.report.plain import printable
from preflight.report.text import counts
from rules.record import record

if TYPE_CHECKING:
    from preflight.fixes.journal import Journal
    from preflight.fixes.plan import Problem

Document = dict[str, Any]


@record
class Outcome:
    """One run of fix. ``check``: the verdict after it, with ``dry_run`` the one before.

    ``changes`` as the contract has them; ``effects`` are the commands that follow them; ``next``:
    what the commands that come after it would change.
    """

    dry_run: bool
    changed: bool
    changes: tuple[Document, ...]
    effects: tuple[str, ...]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]
    check: CheckReport
    next: tuple[nextstep.NextStep, ...] = ()


def document(outcome: Outcome) -> Document:
    """The JSON contract ``kind: Fix`` (docs/schemas/fix.schema.json)."""
    check = check_document(outcome.check)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "Fix",
        "node": check["node"],
        "role": check["role"],
        "dry_run": outcome.dry_run,
        "changed": outcome.changed,
        "changes": list(outcome.changes),
        "effects": list(outcome.effects),
        "notes": list(outcome.notes),
        "problems": problem_items(outcome.problems),
        "remedies": [
            {"id": each.id, "subject": each.subject, "message": each.message, "remedy": each.remedy}
            for each in left(outcome)
        ],
        "next": [nextstep.item(step) for step in outcome.next],
        "verdict": check["verdict"],
        "check": check,
    }


def left(outcome: Outcome) -> list[Finding]:
    """What is for a person: the findings that still count and that no change was made for."""
    mended = {check for change in outcome.changes for check in change["checks"]}
    return [
        each
        for each in outcome.check.findings
        if each.needs_doing and not (outcome.dry_run and each.id in mended)
    ]


def problem_items(problems: Iterable[Problem]) -> list[Document]:
    """What was refused or failed."""
    return [
        {"object": each.object, "message": each.message, "checks": list(each.checks)}
        for each in problems
    ]


def lines(outcome: Outcome, *, diff: bool) -> list[str]:
    """For a person: the changes, what could not be, and the verdict."""
    told = _change_lines(outcome.changes, diff=diff)
    told += [f"  run {line}" for line in outcome.effects]
    told += [f"note: {note}" for note in outcome.notes]
    told += [f"not done: {each.object}: {each.message}" for each in outcome.problems]
    told += [
        line
        for each in left(outcome)
        for line in (f"left to you: {each.id}: {each.message}", f"  {each.remedy}")
    ]
    if not outcome.changed:
        told.append("nothing to change")
    elif outcome.dry_run:
        told.append("nothing was changed")
    now = "now" if outcome.dry_run or not outcome.changed else "after it"
    told.append(f"{now} {outcome.check.verdict.value}: {counts(outcome.check)}")
    told += [line for step in outcome.next for line in nextstep.lines(step)]
    return [printable(line) for line in told]


def _change_lines(items: Sequence[Document], *, diff: bool) -> list[str]:
    told: list[str] = []
    for item in items:
        before, after = item["before"], item["after"]
        values = "" if item["object"].startswith("/") else _values(before, after)
        reason = f" ({', '.join(item['checks'])})" if item["checks"] else ""
        told.append(f"  {_verb(item)} {item['object']}{values}{reason}")
        if diff and item["object"].startswith("/"):
            told += [f"    - {line}" for line in (before or "").splitlines()]
            told += [f"    + {line}" for line in (after or "").splitlines()]
    return told


def _verb(item: Document) -> str:
    if not item["object"].startswith("/"):
        return "set"
    if item["before"] is None:
        return "make"
    return "remove" if item["after"] is None else "change"


def _values(before: str | None, after: str | None) -> str:
    """``: 0 -> 1``."""
    words = [(value or "").strip() or "nothing" for value in (before, after)]
    return f": {words[0]} -> {words[1]}"


def foreign_problems(names: Iterable[str]) -> tuple[Problem, ...]:
    """What an undo would refuse to write over."""
    from preflight.fixes.plan import Problem

    return tuple(
        Problem(name, "changed by somebody since nodeprep wrote it; --force writes it over")
        for name in names
    )


def undo_document(
    journal: Journal | None,
    items: Sequence[Document],
    problems: Iterable[Problem],
    remaining: int,
    dry_run: bool,
) -> Document:
    """The JSON contract ``kind: Undo`` (docs/schemas/fix.schema.json).

    ``remaining``: how many runs can be undone after this one.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "Undo",
        "dry_run": dry_run,
        "changed": bool(items),
        "changes": list(items),
        "problems": problem_items(problems),
        "run": None if journal is None else {"number": journal.number, "at": journal.at},
        "remaining": remaining,
    }


def undo_lines(document: Document, *, diff: bool) -> list[str]:
    """For a person."""
    run = document["run"]
    told = [f"run {run['number']} of {run['at']}"]
    told += _change_lines(document["changes"], diff=diff)
    told += [f"not done: {each['object']}: {each['message']}" for each in document["problems"]]
    if not document["changes"]:
        told.append("nothing of it is left to take back")
    elif document["dry_run"]:
        told.append("nothing was changed")
    if document["remaining"]:
        told.append(f"{document['remaining']} earlier run(s) can be undone after this one")
    return [printable(line) for line in told]

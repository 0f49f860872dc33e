"""From steps to changes: what is there is read, nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable
from dataclasses import replace

from preflight.fixes.journal import APPLYING, Entry, Journal
from preflight.fixes.kinds import is_unfinished, kind, object_name
from preflight.fixes.kinds.file import missing_directories
from preflight.fixes.ownfile import is_untouched
from preflight.fixes.steps import Effect, FixError, Step
from rules.record import record


@record
class Problem:
    """What could not be done, on which object, for which checks."""

    object: str
    message: str
    checks: tuple[str, ...] = ()


@record
class Plan:
    """The changes in their order. ``effects``: those of an earlier run that was killed, too."""

    entries: tuple[Entry, ...]
    effects: tuple[Effect, ...]
    problems: tuple[Problem, ...]

    @property
    def changed(self) -> bool:
        """Whether applying it does anything."""
        return bool(self.entries or self.effects)


class _Draft:
    """One resource while its steps are put together."""

    def __init__(self, kind_name: str, name: str) -> None:
        self.kind, self.name = kind_name, name
        self.before = kind(kind_name).read(name)
        self.after = self.before
        self.checks: list[str] = []
        self.effects: list[Effect] = []
        self.secret = False


def make_plan(
    steps: Iterable[Step],
    *,
    force: bool = False,
    unfinished: Journal | None,
    wanted: Container[str] = (),
) -> Plan:
    """Reads every resource and works out what it becomes; a step that cannot be is a Problem.

    Several steps of one resource become one change. ``force``: foreign edits are written over.
    ``wanted``: the checks for which a run that was killed is brought to its end.
    """
    drafts: dict[tuple[str, str], _Draft] = {}
    problems: list[Problem] = []
    for step in steps:
        name = _place(step)
        try:
            draft = drafts.get((step.kind, name)) or _Draft(step.kind, name)
            after = step.edit(_ours(step, draft, force))
        except FixError as error:
            problems.append(Problem(object_name(step.kind, name), str(error), (step.why,)))
            continue
        drafts[step.kind, name] = draft
        draft.secret |= step.secret
        if not kind(step.kind).same(draft.after, after):
            draft.after = after
            draft.checks.append(step.why)
            draft.effects += step.effects
    entries = tuple(
        _entry(draft)
        for draft in drafts.values()
        if not kind(draft.kind).same(draft.before, draft.after)
    )
    left: tuple[Effect, ...] = ()
    if unfinished is not None:
        left = unfinished.effects
        if unfinished.status == APPLYING:
            entries += _not_reached(unfinished, {*drafts}, wanted, problems)
    return Plan(entries, in_order(left), tuple(problems))


def _not_reached(
    unfinished: Journal,
    planned: set[tuple[str, str]],
    wanted: Container[str],
    problems: list[Problem],
) -> tuple[Entry, ...]:
    """What a killed run had still to do, though its check may pass by the part that was done: a
    firewall whose rollback takes it away the next moment, the second of two ways to the same end.
    """
    found = []
    for entry in unfinished.entries:
        if entry.key in planned or not any(check in wanted for check in entry.checks):
            continue
        try:
            now = kind(entry.kind).read(entry.name)
        except FixError as error:
            name = object_name(entry.kind, entry.name)
            problems.append(Problem(name, str(error), entry.checks))
            continue
        # Anything else is somebody's own doing since.
        if is_unfinished(now) or kind(entry.kind).same(now, entry.before):
            found.append(replace(entry, before=now, begun=False))
    return tuple(found)


def _place(step: Step) -> str:
    """A link to a file is followed: the file is what is edited."""
    if step.kind == "file" and os.path.islink(step.name):
        return os.path.realpath(step.name)
    return step.name


def _ours(step: Step, draft: _Draft, force: bool) -> object:
    """The state that the step gets to see. Raises FixError for a foreign edit of an own file."""
    state = draft.after
    if not step.own or state is None or (isinstance(state, dict) and "link" in state):
        return state
    if is_untouched(state["text"]):
        return state
    if not force:
        raise FixError(f"{draft.name} is not as nodeprep wrote it; with --force it is written over")
    return {**state, "text": ""}


def _entry(draft: _Draft) -> Entry:
    on_disk = draft.kind in ("file", "link") and draft.before is None
    return Entry(
        draft.kind,
        draft.name,
        draft.before,
        draft.after,
        tuple(dict.fromkeys(draft.checks)),
        tuple(missing_directories(draft.name)) if on_disk else (),
        tuple(dict.fromkeys(draft.effects)),
        draft.secret,
    )


def in_order(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """Each once; systemd reads its files before any service is started anew."""
    found = tuple(dict.fromkeys(effects))
    return tuple(sorted(found, key=lambda argv: "daemon-re" not in " ".join(argv)))

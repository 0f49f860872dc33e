"""Applies a plan and takes it back, with a journal ahead of every step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import replace

from preflight.fixes import journal as journals
from preflight.fixes.journal import APPLYING, DONE, UNDOING, Entry, Journal
from preflight.fixes.kinds import ON_DISK, file, is_unfinished, kind, object_name
from preflight.fixes.plan import Plan, Problem, in_order
from preflight.fixes.steps import Effect, FixError, State
from rules.errors import CommandError
from rules.run import run
from rules.state import Store

_EFFECT_TIMEOUT_S = 120.0


def unfinished(found: Iterable[Journal]) -> Journal | None:
    """The run that was killed, None where there is none."""
    return next((each for each in found if each.open), None)


def apply(plan: Plan, store: Store, earlier: tuple[Journal, ...]) -> tuple[Problem, ...]:
    """Does it all; what fails is a Problem, and the rest goes on. Under the store's lock."""
    if not plan.changed and unfinished(earlier) is None:
        return ()
    journals.clean(store)
    journal = journals.save(store, _opened(plan, earlier))
    _clean(journal)
    problems: list[Problem] = []
    wanted = {entry.key for entry in plan.entries}
    for at, entry in enumerate(journal.entries):
        if entry.key not in wanted:
            continue
        owed = journal.effects
        # What is owed is noted with the step: a run that is killed after it owes it still.
        journal = _mark(store, journal, at, begun=True, owed=in_order([*owed, *entry.effects]))
        try:
            _bring(entry, entry.after)
        except FixError as error:
            problems.append(_problem(entry, error))
            journal = _mark(store, journal, at, begun=True, owed=owed)
    journal, failed = _run_effects(store, journal)
    problems += failed
    _finish(store, journal)
    return tuple(problems)


def _opened(plan: Plan, earlier: tuple[Journal, ...]) -> Journal:
    """The journal of this run: the one that is open, with what stood there first, or a new one."""
    before = unfinished(earlier)
    if before is None:
        number = max((each.number for each in earlier), default=0) + 1
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return Journal(number, APPLYING, at, plan.entries, plan.effects)
    entries = {entry.key: entry for entry in before.entries}
    for entry in plan.entries:
        old = entries.get(entry.key)
        if old is None or not old.begun:
            entries[entry.key] = entry
        else:
            entries[entry.key] = replace(
                entry,
                before=old.before,
                directories=tuple(dict.fromkeys([*old.directories, *entry.directories])),
                checks=tuple(dict.fromkeys([*old.checks, *entry.checks])),
                effects=in_order([*old.effects, *entry.effects]),
                secret=old.secret or entry.secret,
                begun=True,
            )
    return replace(
        before,
        status=APPLYING,
        entries=tuple(entries.values()),
        effects=in_order([*before.effects, *plan.effects]),
    )


def _clean(journal: Journal) -> None:
    for entry in journal.entries:
        if entry.kind in ON_DISK:
            # One that cannot be is told of by the write that comes.
            with contextlib.suppress(FixError):
                file.clean(entry.name)


def _mark(
    store: Store, journal: Journal, at: int, *, begun: bool, owed: tuple[Effect, ...]
) -> Journal:
    entries = list(journal.entries)
    entries[at] = replace(entries[at], begun=begun)
    return journals.save(store, replace(journal, entries=tuple(entries), effects=owed))


def _bring(entry: Entry, state: State) -> None:
    if entry.kind in ON_DISK and state is not None:
        file.make_directories(list(entry.directories))
    kind(entry.kind).write(entry.name, state)


def _tried(entry: Entry) -> Problem | None:
    try:
        _bring(entry, entry.before)
    except FixError as error:
        return _problem(entry, error)
    return None


def _problem(entry: Entry, error: Exception) -> Problem:
    return Problem(object_name(entry.kind, entry.name), str(error), entry.checks)


def _run_effects(store: Store, journal: Journal) -> tuple[Journal, list[Problem]]:
    """Runs what is owed. A service that does not come back gets its old files, and starts again."""
    problems: list[Problem] = []
    for argv in journal.effects:
        error = _failure(argv)
        if error is not None:
            journal, stuck = _put_back(store, journal, argv)
            again = _failure(argv)
            files = "not all of its files are as before" if stuck else "its files are as before"
            stayed = "" if again is None else f", and with the old files: {again}"
            checks = dict.fromkeys(
                c for e in journal.entries if argv in e.effects for c in e.checks
            )
            problems.append(Problem(" ".join(argv), f"{error}; {files}{stayed}", tuple(checks)))
            problems += stuck
        rest = tuple(each for each in journal.effects if each != argv)
        journal = journals.save(store, replace(journal, effects=rest))
    return journal, problems


def _failure(argv: Effect) -> Exception | None:
    try:
        run(list(argv), timeout_s=_EFFECT_TIMEOUT_S)
    except CommandError as error:
        return error
    return None


def _put_back(store: Store, journal: Journal, argv: Effect) -> tuple[Journal, list[Problem]]:
    problems: list[Problem] = []
    for at, entry in enumerate(journal.entries):
        if argv in entry.effects and entry.begun and entry.kind in ON_DISK:
            if failed := _tried(entry):
                problems.append(failed)
                continue
            file.remove_directories(list(entry.directories))
            journal = _mark(store, journal, at, begun=False, owed=journal.effects)
    return journal, problems


def _finish(store: Store, journal: Journal) -> None:
    """Closes the journal; one of a run in which nothing came about is not kept."""
    changed = [entry for entry in journal.entries if entry.begun and not _is(entry, entry.before)]
    if changed:
        journals.save(store, replace(journal, status=DONE, entries=tuple(changed)))
    else:
        journals.remove(store, journal)


def _now(entry: Entry) -> State:
    return kind(entry.kind).read(entry.name)


def _is(entry: Entry, state: State) -> bool:
    """Whether it is in this state; what stands in the place of a file and is none is in none."""
    try:
        return kind(entry.kind).same(state, _now(entry))
    except FixError:
        if entry.kind in ON_DISK:
            return False
        raise


def undo_changes(journal: Journal) -> tuple[Entry, ...]:
    """The entries that an undo would give back, in its order: the last one first."""
    return tuple(
        entry
        for entry in reversed(journal.entries)
        if entry.begun and entry.kind != "package" and not _is(entry, entry.before)
    )


def kept_packages(journal: Journal) -> tuple[str, ...]:
    """What an undo leaves installed: removing a package may take others with it."""
    return tuple(entry.name for entry in journal.entries if entry.kind == "package" and entry.begun)


def foreign_edits(journal: Journal) -> tuple[str, ...]:
    """The objects that are neither as before nor as nodeprep left them."""
    return tuple(
        object_name(entry.kind, entry.name)
        for entry in undo_changes(journal)
        if not _is(entry, entry.after) and (entry.kind in ON_DISK or not is_unfinished(_now(entry)))
    )


def undo(journal: Journal, store: Store) -> tuple[Problem, ...]:
    """Gives everything back what it was; what fails is a Problem. Under the store's lock.

    What somebody changed since is written over: ``foreign_edits`` tells, before. What could not be
    given back stays in the journal, so that undo can be run again.
    """
    journals.clean(store)
    _clean(journal)
    entries = undo_changes(journal)
    owed = [argv for entry in entries for argv in entry.effects]
    # Of an undo, or a run, that was killed: it is not known which of them ran.
    if journal.open:
        owed += [argv for entry in journal.entries if entry.begun for argv in entry.effects]
    journal = journals.save(store, replace(journal, status=UNDOING, effects=in_order(owed)))
    failures = {entry.key: failed for entry in entries if (failed := _tried(entry))}
    problems = list(failures.values())
    for entry in reversed(journal.entries):
        if entry.begun and entry.kind in ON_DISK and entry.before is None:
            file.remove_directories(list(entry.directories))
    for argv in journal.effects:
        failure = _failure(argv)
        if failure is not None:
            problems.append(Problem(" ".join(argv), str(failure)))
    left = [entry for entry in entries if entry.key in failures and _may_come_back(entry)]
    if left:
        # In the order of the run again.
        journals.save(store, replace(journal, entries=tuple(reversed(left)), effects=()))
    else:
        journals.remove(store, journal)
    return tuple(problems)


def _may_come_back(entry: Entry) -> bool:
    """Not a module, which is in use until the next boot, nor a setting that the kernel lost."""
    return entry.kind != "module" and not (entry.kind == "sysctl" and _now(entry) is None)

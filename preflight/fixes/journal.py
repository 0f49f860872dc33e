"""What a run is about to change, on the disk before it does: so that undo can take it back.

One document for each run, in the subject ``fixes`` of the state directory, the newest with the
highest number. Every state before is in it from the beginning; each entry is marked as begun
before it is acted on. A run that was killed leaves its document open, and the next run goes on
with it: what stood there first stays the state that undo restores.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from preflight.fixes.kinds import KINDS
from preflight.fixes.steps import Effect, State
from rules.record import record
from rules.state import Store, UnreadableError

SUBJECT = "fixes"
# applying: it was not finished. done: it was. undoing: an undo was not finished.
APPLYING, DONE, UNDOING = "applying", "done", "undoing"


@record
class Entry:
    """One resource: what it was, what it is to be, and for which checks."""

    kind: str
    name: str
    before: State
    after: State
    checks: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    secret: bool = False
    begun: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What tells resources apart."""
        return self.kind, self.name


@record
class Journal:
    """A run. ``effects`` are those still to be run."""

    number: int
    status: str
    at: str
    entries: tuple[Entry, ...] = ()
    effects: tuple[Effect, ...] = ()

    @property
    def file(self) -> str:
        """Its name in the state directory."""
        return f"{self.number:06d}.json"

    @property
    def open(self) -> bool:
        """Whether the run, or the undo of it, was not finished."""
        return self.status != DONE


def journals(store: Store) -> tuple[Journal, ...]:
    """Every run that can be undone, the oldest first. Raises UnreadableError for a damaged one."""
    found = []
    for name in store.names():
        if name.endswith(".json") and name[0] != "." and (document := store.read(name)) is not None:
            try:
                found.append(_from(document))
            except (KeyError, TypeError, AttributeError):
                raise store.damaged(name) from None
            _must_be_known(store, name, found[-1])
    return tuple(found)


def _must_be_known(store: Store, name: str, journal: Journal) -> None:
    if new := sorted({entry.kind for entry in journal.entries} - KINDS):
        raise UnreadableError(
            f"{store.path / name}: {new[0]} is of a newer nodeprep, or it is damaged; use that one"
        )


def _from(document: dict[str, Any]) -> Journal:
    entries = tuple(_entry(each) for each in document["entries"])
    return Journal(
        document["number"],
        document["status"],
        document["at"],
        entries,
        _effects(document["effects"]),
    )


def _entry(document: dict[str, Any]) -> Entry:
    # Fields of a newer version are left out.
    known = {name: document[name] for name in Entry.__match_args__ if name in document}
    known["checks"] = tuple(known.get("checks", ()))
    known["directories"] = tuple(known.get("directories", ()))
    known["effects"] = _effects(known.get("effects", ()))
    return Entry(**known)


def _effects(documents: Iterable[Iterable[str]]) -> tuple[Effect, ...]:
    return tuple(tuple(argv) for argv in documents)


def save(store: Store, journal: Journal) -> Journal:
    """Writes it: on the disk when this returns."""
    store.write(
        journal.file,
        {
            "number": journal.number,
            "status": journal.status,
            "at": journal.at,
            "entries": [vars(entry) for entry in journal.entries],
            "effects": journal.effects,
        },
    )
    return journal


def remove(store: Store, journal: Journal) -> None:
    """The run is undone as a whole: nothing is left to know of it."""
    store.remove(journal.file)


def clean(store: Store) -> None:
    """Removes half-written documents of runs that were killed. Under the lock only."""
    with contextlib.suppress(OSError):
        for path in store.path.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def made_here(found: Iterable[Journal]) -> frozenset[tuple[str, str]]:
    """(kind, check) of everything that was done and is not undone."""
    return frozenset(
        (entry.kind, check)
        for journal in found
        for entry in journal.entries
        if entry.begun
        for check in entry.checks
    )

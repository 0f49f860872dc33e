"""What an installation changed, so that `cni remove` can undo it byte for byte.

The journal is on the disk before the first thing is changed: a run that is killed half-way can
be undone, or finished by the next one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any

from preflight.cni.kinds import KINDS, InstallError, drop_unfinished, look_anew
from rules.backend import Change
from rules.errors import NodeprepError
from rules.record import record
from rules.state import Store

SUBJECT = "cni"
JOURNAL = "journal.json"


@record
class Item:
    """One thing: its kind and name, and the state that it is to have (None: not there)."""

    kind: str
    name: str
    after: str | None


@record
class Step:
    """An item with what was there before nodeprep came, and what is there now."""

    kind: str
    name: str
    before: str | None
    now: str | None
    after: str | None

    @property
    def changes(self) -> bool:
        """Whether it is not yet as it is to be."""
        return self.now != self.after

    def change(self) -> Change:
        """For the report."""
        show = KINDS[self.kind].show
        now, after = (None if text is None else show(text) for text in (self.now, self.after))
        return Change(f"{self.kind} {self.name}", now, after)


def make_steps(items: Sequence[Item], store: Store) -> list[Step]:
    """What is to be done, in order. Things of an earlier run that are not wanted go back first."""
    look_anew()
    known = {(kind, name): before for kind, name, before, _ in _entries(store)}
    wanted = {(item.kind, item.name) for item in items}
    gone = [key for key in known if key not in wanted]
    # What holds something that is wanted was made by us and stays ours.
    used = [key for key in gone if key[0] == "directory" and _above(key[1], items)]
    steps = [
        Step(kind, name, known[kind, name], KINDS[kind].read(name), known[kind, name])
        for kind, name in reversed(gone)
        if (kind, name) not in used
    ]
    steps += [
        Step(kind, name, known[kind, name], KINDS[kind].read(name), "directory")
        for kind, name in used
    ]
    for item in items:
        now = KINDS[item.kind].read(item.name)
        before = known.get((item.kind, item.name), now)
        steps.append(Step(item.kind, item.name, before, now, item.after))
    return steps


def _above(path: str, items: Sequence[Item]) -> bool:
    return any(item.name.startswith(f"{path}/") for item in items)


def kept(store: Store, directories: Sequence[str], items: Sequence[Item]) -> list[Item]:
    """What an earlier run put into these directories, as it is now, unless ``items`` say more.

    And the package with the plugins, where that was asked for.
    """
    wanted = {(item.kind, item.name) for item in items}
    found = []
    for kind, name, _, _ in _entries(store):
        inside = any(name == path or name.startswith(f"{path}/") for path in directories)
        if (kind, name) not in wanted and (inside or kind == "package"):
            found.append(Item(kind, name, KINDS[kind].read(name)))
    return found


@contextmanager
def beforehand(item: Item, store: Store) -> Iterator[None]:
    """Makes a thing that the others cannot be planned without.

    Whatever goes wrong in the block, it is not there any more after it.
    """
    now, earlier = KINDS[item.kind].read(item.name), store.read(JOURNAL)
    with store.lock():
        entries = [*(earlier or {}).get("entries", ())]
        entry = {"kind": item.kind, "name": item.name, "before": None, "after": _digest(item.after)}
        store.write(JOURNAL, {"entries": [entry, *entries]})
    try:
        KINDS[item.kind].write(item.name, item.after)
        yield
    except BaseException:
        KINDS[item.kind].write(item.name, now)
        _restore(earlier, store)
        raise


def apply(steps: Sequence[Step], store: Store, proof: Callable[[], None]) -> None:
    """Does what is not yet so. Raises InstallError after having put everything back.

    ``proof`` is called before the last step, and raises where that must not come.
    """
    if not any(step.changes for step in steps):
        return
    earlier = store.read(JOURNAL)
    store.make("boot")
    _write(steps, store, finished=False)
    done: list[Step] = []
    try:
        for step in steps:
            if step is steps[-1]:
                proof()
            if step.changes:
                done.append(step)
                KINDS[step.kind].write(step.name, step.after)
        _write(steps, store, finished=True)
    except (NodeprepError, OSError) as error:
        left = put_back(done)
        _restore(earlier, store)
        more = f"; and could not be put back: {', '.join(left)}" if left else ""
        raise InstallError(f"nothing was changed: {error}{more}") from error


def put_back(done: Sequence[Step]) -> list[str]:
    """Makes each thing what it was at the start of this run; what could not be, by name."""
    failures = (_written(step, step.now) for step in reversed(done))
    return [failure for failure in failures if failure]


def _written(step: Step, state: str | None) -> str:
    """Writes a state; what went wrong, empty for nothing."""
    try:
        if step.kind == "file":
            drop_unfinished(step.name)
        if KINDS[step.kind].read(step.name) != state:
            KINDS[step.kind].write(step.name, state)
    except (NodeprepError, OSError) as error:
        return f"{step.kind} {step.name}: {error}"
    return ""


def make_removal(store: Store) -> tuple[list[Step], list[str]]:
    """(what takes everything away, the last first; what somebody else has changed since)."""
    look_anew()
    killed = not (store.read(JOURNAL) or {}).get("finished", True)
    steps, drifted = [], []
    for kind, name, before, after in reversed(_entries(store)):
        now = KINDS[kind].read(name)
        ours = killed and KINDS[kind].stepwise
        if not ours and now != before and _digest(now) != after:
            drifted.append(f"{kind} {name}")
        steps.append(Step(kind, name, before, now, before))
    return steps, drifted


def drifted(store: Store) -> list[tuple[str, str]]:
    """(kind, name) of what is not as an installation left it."""
    look_anew()
    return [
        (kind, name)
        for kind, name, _, after in _entries(store)
        if _digest(KINDS[kind].read(name)) != after
    ]


def remove(steps: Sequence[Step], store: Store) -> None:
    """Undoes it all and forgets it. Raises InstallError where something cannot be undone."""
    failures = [_written(step, step.after) for step in steps]
    left = [failure for failure in failures if failure]
    if left:
        raise InstallError(f"could not be undone: {'; '.join(left)}; run it again when that is so")
    forget(store)


def saved(store: Store) -> dict[str, Any] | None:
    """Everything that an installation laid down, as it is now, and its journal; None for none."""
    document = store.read(JOURNAL)
    if document is None:
        return None
    look_anew()
    entries = _entries(store)
    return {
        "items": [[kind, name, KINDS[kind].read(name)] for kind, name, _, _ in entries],
        "journal": document,
        "before": [before for _, _, before, _ in entries if before is not None],
        "unfinished": not document.get("finished", True),
    }


def give_back(store: Store, state: dict[str, Any]) -> None:
    """Makes it what ``saved`` gave. Raises InstallError where something cannot be. Under the lock.

    What came later goes first, to what was there before it.
    """
    items = {(kind, name): text for kind, name, text in state["items"]}
    steps = [
        Step(kind, name, before, None, before)
        for kind, name, before, _ in reversed(_entries(store))
        if (kind, name) not in items
    ]
    steps += [Step(kind, name, None, None, text) for (kind, name), text in items.items()]
    if left := [failure for step in steps if (failure := _written(step, step.after))]:
        raise InstallError(f"could not be undone: {'; '.join(left)}")
    for before in state["before"]:
        store.write_text(f"before/{_digest(before)}", before)
    store.write(JOURNAL, state["journal"])


def forget(store: Store) -> None:
    """Removes the journal with what it names; the state directory where nothing else is in it."""
    shutil.rmtree(store.path, ignore_errors=True)
    with suppress(OSError):
        store.root.rmdir()


def _digest(state: str | None) -> str | None:
    return None if state is None else sha256(state.encode()).hexdigest()


def _write(steps: Sequence[Step], store: Store, *, finished: bool) -> None:
    entries = []
    for step in steps:
        if step.before == step.after:
            continue  # was there all along, or goes back now
        digest = _digest(step.before)
        if step.before is not None and digest is not None:
            store.write_text(f"before/{digest}", step.before)
        entries.append(
            {"kind": step.kind, "name": step.name, "before": digest, "after": _digest(step.after)}
        )
    store.write(JOURNAL, {"entries": entries, "finished": finished})


def _restore(earlier: dict[str, Any] | None, store: Store) -> None:
    if earlier is None:
        forget(store)
    else:
        store.write(JOURNAL, earlier)


def _entries(store: Store) -> list[tuple[str, str, str | None, str | None]]:
    """(kind, name, the state before, the digest of the state after), in the order of making."""
    document = store.read(JOURNAL) or {}
    found = []
    for entry in document.get("entries", ()):
        kind, name, digest = str(entry["kind"]), str(entry["name"]), entry.get("before")
        if kind not in KINDS:
            raise InstallError(f"{store.path / JOURNAL}: {kind} is of a newer nodeprep; use that")
        before = None if digest is None else _before(store, str(digest))
        found.append((kind, name, before, entry.get("after")))
    return found


def _before(store: Store, digest: str) -> str:
    path = store.path / "before" / digest
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InstallError(f"{path}: cannot be read: {error.strerror}") from None
    if _digest(text) != digest:
        raise InstallError(f"{path}: is damaged: what was there before is not known any more")
    return text

"""The pod network of this node, as the CNI part lays it down and takes it away.

A state is ``{"items"}``, each thing with its content, and how to come there: ``"flags"`` of
`cni install`, or ``"journal"`` and ``"before"`` of an earlier installation. ``"unfinished"``: one
was killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preflight.fixes.steps import FixError, State
from rules.errors import NodeprepError
from rules.state import Store

if TYPE_CHECKING:
    from preflight.cni.plan import Flags


def wanted(flags: Flags) -> State:
    """What an installation by these flags would bring. Changes nothing.

    Raises NodeprepError: what keeps the CNI part from it.
    """
    from preflight.cni.install import Wanted, install
    from preflight.cni.journal import SUBJECT

    steps = install(Wanted(flags), Store(SUBJECT), dry_run=True).steps
    given = {name: list(value) if isinstance(value, tuple) else value
             for name, value in vars(flags).items()}  # fmt: skip
    items = [[each.kind, each.name, each.after] for each in steps if each.before != each.after]
    return {"items": items, "flags": given}


def read(name: str) -> State:
    """What is laid down now; None where the CNI part laid nothing down."""
    from preflight.cni import journal

    store = Store(journal.SUBJECT)
    try:
        return journal.saved(store)
    except (NodeprepError, OSError) as error:
        raise FixError(str(error)) from None


def write(name: str, state: State) -> None:
    """Installs, puts back or removes. Raises FixError, and then all is as before."""
    from preflight.cni import journal
    from preflight.cni.install import Wanted, install, removal, take_away
    from preflight.cni.plan import Flags

    store = Store(journal.SUBJECT)
    try:
        if state is None:
            # Whether somebody changed it, undo has asked before; pods need it in any case.
            take_away(removal(store, busy=False, drift=True), store)
        elif "flags" in state:
            given: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in state["flags"].items()
            }
            install(Wanted(Flags(**given)), store, dry_run=False)
        else:
            with store.lock():
                journal.give_back(store, state)
    except (NodeprepError, OSError) as error:
        raise FixError(str(error)) from None


def same(one: State, other: State) -> bool:
    """By everything that is laid down; one that was killed is like no other.

    What was wanted and is not in the journal was there already when its turn came.
    """
    if one is None or other is None:
        return one is other
    if one.get("unfinished") or other.get("unfinished"):
        return bool(one == other)
    first, second = _things(one), _things(other)
    if ("flags" in one) is ("flags" in other):
        return first == second
    wanted, laid = (first, second) if "flags" in one else (second, first)
    return all(wanted.get(thing) == text for thing, text in laid.items())


def _things(state: dict[str, Any]) -> dict[tuple[str, str], str | None]:
    return {(kind, thing): text for kind, thing, text in state["items"]}


def shown(name: str, state: State) -> str | None:
    """One line for each thing."""
    if state is None:
        return None
    return "".join(f"{kind} {thing}\n" for kind, thing, after in state["items"] if after)

"""What nodeprep's own rules let in on this host: by the firewall part, with its rollback.

A state is ``{"backend", "role", "posture", "digest"}`` and how to come there: ``"policy"``, the
words that make the policy, or ``"own"`` and ``"applied"``, what was there once. ``"unfinished"``:
a change of it was killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preflight.fixes.steps import FixError, State
from rules.errors import NodeprepError
from rules.state import Store

if TYPE_CHECKING:
    from preflight.firewall.policy import PolicyRequest
    from rules.lifecycle.apply import Plan, Request

# Of rules that are not as they were applied: equal to no policy's.
CHANGED = ""
_SAME = ("backend", "role", "posture", "digest")


def wanted(policy: PolicyRequest) -> State:
    """What applying this policy would bring: rules that were applied come back, where there are
    none the posture is ``allow``.

    Changes nothing. Raises NodeprepError: what keeps the firewall part from it.
    """
    from rules.lifecycle.apply import make_plan
    from rules.lifecycle.snapshot import read_applied
    from rules.render import Posture

    store = _store()
    applied = read_applied(store)
    posture = Posture.ALLOW if applied is None else Posture(applied.posture)
    words = {**vars(policy), "role": policy.role.value, "sources": list(policy.sources)}
    plan: Plan = make_plan(_request(policy, posture), store)
    if applied is not None and applied.digest != plan.digest:
        # Sources that were given as flags are in no file: the new rules could close something.
        raise FixError(
            f"rules of another policy ({applied.digest}, role {applied.role}) are in force; "
            f"nodeprep firewall plan --role {policy.role.value} shows what would change"
        )
    if plan.rules_change and plan.refused:
        raise FixError(plan.refused)
    if plan.choice.backend == "nftables" and posture is Posture.ALLOW:
        # What a table of ours accepts, another still drops: only who wrote that one can open it.
        raise FixError("; ".join(plan.choice.warnings))
    state = {name: getattr(plan.applied, name) for name in _SAME}
    return {**state, "policy": words}


def read(name: str) -> State:
    """What is in force; None where nothing of ours is."""
    from rules.lifecycle.manage import make_removal
    from rules.lifecycle.persist import persistence_changes
    from rules.lifecycle.rollback import read_pending
    from rules.lifecycle.snapshot import read_applied

    store = _store()
    try:
        pending = read_pending(store)
        # One that was killed is undone by whoever changes something next.
        killed = pending is not None and (pending.overdue or not pending.of_this_boot)
        if pending is not None and not killed:
            raise FixError(
                f"a change waits until {pending.until} for nodeprep firewall confirm or rollback"
            )
        applied = read_applied(store)
        own = make_removal(store).own
        if applied is None:
            unknown = {**dict.fromkeys(_SAME, CHANGED), "own": own, "applied": None}
            return {**unknown, "unfinished": killed} if own or killed else None
        state = {name: getattr(applied, name) for name in _SAME}
        if killed or _drifted(store) or persistence_changes(store, applied):
            state["digest"] = CHANGED
    except FixError:
        raise
    except NodeprepError as error:
        raise FixError(str(error)) from None
    return {**state, "own": own, "applied": vars(applied), "unfinished": killed}


def _store() -> Store:
    from preflight.firewall.request import SUBJECT

    return Store(SUBJECT)


def _drifted(store: Store) -> bool:
    from rules.lifecycle.manage import status

    found = status(store)
    return bool(found.drift) or not found.loaded


def write(name: str, state: State) -> None:
    """Applies, puts back or removes, each with an armed rollback. Raises FixError."""
    store = _store()
    try:
        if state is None:
            _remove(store)
        elif "policy" in state:
            _apply(state, store)
        else:
            _put_back(state, store)
    except NodeprepError as error:
        raise FixError(str(error)) from None


def _apply(state: dict[str, Any], store: Store) -> None:
    from preflight.firewall.policy import PolicyRequest
    from rules.cluster import Role
    from rules.lifecycle.apply import apply
    from rules.render import Posture

    words = state["policy"]
    words = {**words, "role": Role(words["role"]), "sources": tuple(words["sources"])}
    apply(_request(PolicyRequest(**words), Posture(state["posture"])), store)


def _request(policy: PolicyRequest, posture: Any) -> Request:
    from preflight.firewall.request import Wanted, make_request

    return make_request(Wanted(policy, posture.value, "auto"), exact=False)


def _remove(store: Store) -> None:
    from preflight.firewall.request import own_command
    from rules.lifecycle.apply import Arming
    from rules.lifecycle.manage import remove
    from rules.lifecycle.session import operator_session

    remove(store, Arming(0.0, operator_session(), own_command()))


def _put_back(state: dict[str, Any], store: Store) -> None:
    from rules.lifecycle.manage import make_removal
    from rules.lifecycle.rollback import settle
    from rules.lifecycle.snapshot import Snapshot, put_back

    with store.lock():
        settle(store)
        # What another backend holds now was not there then.
        others: dict[str, Any] = {name: {} for name in make_removal(store).own}
        put_back(store, Snapshot({**others, **state["own"]}, state["applied"]))


def same(one: State, other: State) -> bool:
    """By the policy in force; rules that somebody changed are only like themselves."""
    if one is None or other is None:
        return one is other
    if any(one[name] != other[name] for name in _SAME):
        return False
    if one["digest"] == CHANGED:
        return bool(one.get("own") == other.get("own"))
    return True


def shown(name: str, state: State) -> str | None:
    """``nftables, role worker, posture allow, policy 1f2e3d``."""
    if state is None:
        return None
    policy = f"policy {state['digest']}" if state["digest"] else "changed by somebody"
    return f"{state['backend']}, role {state['role']}, posture {state['posture']}, {policy}\n"

"""After an apply: confirm, roll back, remove, status and verify."""

from __future__ import annotations

import contextlib
import shutil
from typing import Any

from rules.backend import BACKENDS, Change, Own, backend, changes
from rules.errors import CommandError
from rules.lifecycle.apply import (
    Arming,
    Outcome,
    Plan,
    Refused,
    Request,
    Watch,
    begin,
    describe,
    finish,
    keep,
    make_plan,
)
from rules.lifecycle.persist import BOOT, SCRIPT, is_persistent, persistence_changes, systemd_runs
from rules.lifecycle.rollback import Pending, disarm, now, read_pending, settle, undo
from rules.lifecycle.session import Session
from rules.lifecycle.snapshot import APPLIED, LAST, PENDING, Applied, read_applied
from rules.record import record
from rules.render import Posture
from rules.state import Store


def confirm(store: Store, session: Session | None, *, force: bool = False) -> Outcome:
    """Makes a pending change stay; not changed where there is none.

    Raises Refused where it has been rolled back, and where the very connection that applied it
    asks: that one would live on even if nobody could log in any more.
    """
    with store.lock():
        earlier = read_pending(store)
        pending = settle(store)
        if pending is None:
            last = store.read(LAST) or {}
            if earlier is not None or (store.read(APPLIED) is None and last):
                raise Refused(
                    f"nothing to confirm: the change was rolled back at {last.get('at', '?')} "
                    f"({last.get('reason', 'no reason is known')})"
                )
            return Outcome(False)
        if session is not None and describe(session) == pending.session and not force:
            raise Refused(
                "confirm from a new connection: this one was open before the change, so it does "
                "not show that one can still log in; or use --force"
            )
        keep(store, read_applied(store))
        store.remove(PENDING)
        disarm(pending)
        _note(store, "confirmed")
        if store.read(APPLIED) is None:
            _forget(store)
        return Outcome(True)


def _note(store: Store, event: str, reason: str = "") -> None:
    store.write(LAST, {"event": event, "reason": reason, "at": now()})


def roll_back_now(store: Store) -> Pending:
    """Puts back at once what a pending change replaced. Raises Refused where none is pending."""
    with store.lock():
        pending = read_pending(store)
        if pending is None:
            raise Refused(
                "nothing is pending: what was confirmed stays; nodeprep firewall remove takes it "
                "away"
            )
        undo(store, pending, "somebody asked for it")
        disarm(pending)
        return pending


@record
class Removal:
    """What is ours on this host: backend -> own objects, and the changes that take it away."""

    own: dict[str, Own]
    changes: tuple[Change, ...]
    unread: tuple[str, ...] = ()


def make_removal(store: Store) -> Removal:
    """Looks in every packet filter whose program is here."""
    own: dict[str, Own] = {}
    unread: list[str] = []
    for name in BACKENDS:
        found = _own_of(name)
        if found is None:
            unread.append(name)
        elif found:
            own[name] = found
    found_changes = [change for found in own.values() for change in changes(found, {})]
    found_changes += persistence_changes(store, None)
    return Removal(own, tuple(found_changes), tuple(unread))


def _own_of(name: str) -> Own | None:
    """What is ours in a packet filter; None where its program is not here."""
    try:
        return backend(name).read()
    except CommandError as error:
        if error.reason != "absent":
            raise
        return None


def remove(store: Store, arming: Arming) -> tuple[Removal, Outcome]:
    """Takes away everything of ours, the state of the firewall included.

    With ``confirm_within_s`` it comes back unless confirmed. Raises Refused where it did not work,
    or where the operator's connection (of ``arming``) would not get in any more.
    """
    with store.lock():
        earlier = settle(store)
        removal = make_removal(store)
        if not removal.changes:
            if earlier is not None:
                store.remove(PENDING)
                disarm(earlier)
            _forget(store)
            return removal, Outcome(False)
        watch = Watch(arming.session)
        pending = begin(store, removal.own, arming, earlier)
        try:
            for name in removal.own:
                backend(name).restore({})
            # Both kinds of iptables and ufw share the ipsets: only now can all of them be gone.
            if left := [item for name in removal.own for item in backend(name).read()]:
                raise Refused(f"{', '.join(left)} is still there")
            watch.check()
            outcome = finish(store, pending, None)
        except Exception as error:
            undo(store, pending, str(error))
            disarm(pending)
            raise Refused(f"rolled back: {error}") from error
        if outcome.pending is None:
            _forget(store)
        return removal, outcome


def _forget(store: Store) -> None:
    shutil.rmtree(store.path, ignore_errors=True)
    with contextlib.suppress(OSError):  # others keep their state there too
        store.root.rmdir()


@record
class Status:
    """What is in force. ``drift``: own objects that are not as they were loaded; None: nobody can
    tell. ``applied`` None: nothing of ours was applied."""

    applied: Applied | None
    loaded: bool
    drift: tuple[Change, ...] | None
    persistent: bool
    pending: Pending | None
    last: dict[str, Any]


def status(store: Store) -> Status:
    """Reads the state and compares the live objects with it; changes nothing."""
    applied = read_applied(store)
    pending, last = read_pending(store), store.read(LAST) or {}
    if applied is None:
        return Status(None, False, (), False, pending, last)
    owner = backend(applied.backend)
    live, wanted = owner.read(), owner.canonical(applied.texts)
    drift = None if wanted is None else changes(live, wanted)
    persistent = applied.confirmed and is_persistent(store, applied)
    return Status(applied, bool(live), drift, persistent, pending, last)


@record
class Verdict:
    """One thing that `firewall verify` looked at; ``ok`` None: it cannot be told."""

    name: str
    ok: bool | None
    detail: str


def verify(request: Request, store: Store) -> tuple[Verdict, ...]:
    """Whether what is in force is what this policy asks for, and stays. Changes nothing."""
    plan = make_plan(request, store)
    applied = read_applied(store)
    found = [_verify_rules(plan, applied)]
    found += [Verdict("owner", False, warning) for warning in plan.choice.warnings]
    if plan.pending is not None:
        until = plan.pending.until
        found.append(Verdict("confirmed", False, f"nobody has confirmed it yet (until {until})"))
    else:
        kept = applied is not None and is_persistent(store, applied)
        found.append(Verdict("persistent", kept, "loaded at boot" if kept else _lost(store)))
    if request.session is not None:
        found.append(_verify_session(request.session, plan.refused))
    found.append(_verify_flows(request))
    found.append(_verify_space(request))
    return tuple(found)


def _lost(store: Store) -> str:
    script = store.path / BOOT / SCRIPT
    if systemd_runs() or not script.exists():
        return "a reboot takes it away"
    return f"a reboot takes it away: systemd does not run here; have {script} run at boot"


def _verify_session(session: Session, refused: str) -> Verdict:
    from rules.lifecycle.livecheck import session_trace, where

    traced = session_trace(session)
    if traced is None or traced.admitted is None:
        words = f"{session} gets in again, as far as our own rules go"
        return Verdict("session", not refused, refused or words)
    verb = "gets in again" if traced.admitted else "does not get in again"
    return Verdict("session", traced.admitted, f"{session} {verb}: {where(traced.decided_by)}")


def _verify_flows(request: Request) -> Verdict:
    from rules.lifecycle.livecheck import flow_traces, where

    try:
        traced = flow_traces(request.policy)
    except CommandError as error:
        return Verdict("flows", None, str(error))
    for wanted in (False, None):
        bad = [item for item in traced if item.admitted is wanted]
        if bad and (trace := bad[0].trace) is not None:
            why = where(trace.decided_by) if wanted is False else ", ".join(trace.unknown)
            names = ", ".join(item.flow for item in bad)
            verb = "not let through" if wanted is False else "cannot be told"
            return Verdict("flows", wanted, f"{names}: {verb} ({why})")
    if not traced:
        return Verdict("flows", None, "this host has no address but loopback")
    return Verdict("flows", True, f"all {len(traced)} flows of the role are let through")


def _verify_space(request: Request) -> Verdict:
    from rules.lifecycle.livecheck import live_space, told

    try:
        found = live_space(request.policy, request.posture)
    except CommandError as error:
        return Verdict("space", None, str(error))
    if found.excess:
        return Verdict("space", False, f"let in though no flow needs it: {told(found.excess)}")
    if found.missing:
        return Verdict("space", False, f"not let in: {told(found.missing)}")
    if found.unknown:
        return Verdict("space", None, f"cannot be told: {told(found.unknown)}")
    if not found.asked:
        return Verdict("space", None, "this host has no address but loopback")
    enforce = request.posture is Posture.ENFORCE
    words = "lets in exactly what the policy admits" if enforce else "lets in what is needed"
    return Verdict("space", True, f"every source, protocol and port: this host {words}")


# Where to look and what to do; what is needed are the options of the apply before.
DIFFERENCE = "nodeprep firewall plan --diff shows how, and nodeprep firewall apply mends it"


def _verify_rules(plan: Plan, applied: Applied | None) -> Verdict:
    name = plan.choice.backend
    if not plan.rules_change:
        return Verdict("rules", True, f"what {name} holds is what the policy asks for")
    if plan.wanted is None:
        return Verdict("rules", None, "no scratch network namespace can be made to compare in")
    objects = ", ".join(change.object for change in plan.changes[:4])
    said = f"not as the policy asks in {name}: {objects}; {DIFFERENCE}"
    asked = plan.applied.posture
    if applied is not None and applied.posture != asked:
        said = f"posture {applied.posture} is in force, and this asks for {asked}: {objects}"
    return Verdict("rules", False, said)

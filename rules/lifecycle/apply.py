"""plan -> snapshot -> arm the rollback -> apply -> verify -> confirm, or roll back."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone

from rules.access import count_networks, let_through
from rules.backend import Backend, BackendError, Change, Own, backend, changes
from rules.backend.detect import Choice, choose, look
from rules.errors import EXIT_FAILED, CommandError, NodeprepError
from rules.lifecycle.persist import persist, persistence_changes
from rules.lifecycle.rollback import (
    ROLLED_BACK,
    UNCONFIRMED_S,
    Pending,
    arm,
    boot_clock,
    boot_id,
    disarm,
    now,
    process_start,
    read_pending,
    settle,
    undo,
)
from rules.lifecycle.session import Session, refusal
from rules.lifecycle.snapshot import APPLIED, LAST, PENDING, Applied, Snapshot, read_applied
from rules.lifecycle.tracking import let_meet
from rules.policy import Policy
from rules.record import record
from rules.render import Posture, render
from rules.state import StateError, Store

_TICK_S = 0.2
# With more addresses than this the whole space is left to `firewall verify`: it costs a second.
MOST_NETWORKS = 1000


class Refused(NodeprepError):
    """The change was not made, or was taken back; ``str()`` says why."""

    exit_code = EXIT_FAILED


@record
class Arming:
    """How a rollback is armed: ``confirm_within_s`` 0 asks for no confirmation, and the rollback
    is there for a kill only. ``command``: how this program is called, for the timer."""

    confirm_within_s: float
    session: Session | None
    command: tuple[str, ...]


@record
class Request:
    """What `firewall apply` was asked for.

    ``backend``: auto or a name. ``confirm_within_s`` and ``command``: see ``Arming``.
    ``exact``: the texts of ``changes`` are the kernel's own (``--diff``).
    """

    policy: Policy
    posture: Posture
    backend: str = "auto"
    confirm_within_s: float = 0.0
    force: bool = False
    exact: bool = False
    session: Session | None = None
    command: tuple[str, ...] = ()
    version: str = ""

    @property
    def arming(self) -> Arming:
        """Its rollback."""
        return Arming(self.confirm_within_s, self.session, self.command)


@record
class Plan:
    """What would change, without having changed anything.

    ``others``: backends in which something of ours is left from before. ``refused``: why it will
    not be done without ``--force``, empty where it will.
    """

    choice: Choice
    digest: str
    applied: Applied
    live: Own
    wanted: Own | None
    others: tuple[str, ...]
    changes: tuple[Change, ...]
    rules_change: bool
    refused: str
    pending: Pending | None

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.changes)


@record
class Outcome:
    """What was done. ``pending``: until when it must be confirmed, None where it need not.

    ``warnings``: what rules that are not ours stop or let in against the policy.
    """

    changed: bool
    pending: Pending | None = None
    warnings: tuple[str, ...] = ()


def make_plan(request: Request, store: Store) -> Plan:
    """Reads the host and compares; writes nothing but the files that the tools are given.

    Raises OwnerError, CommandError and UsageError, with a line that says what to do.
    """
    enforce = request.posture is Posture.ENFORCE
    choice = choose(look(), request.backend, enforce=enforce)
    owner = backend(choice.backend)
    texts: dict[str, dict[str, str]] = {}
    digest = ""
    for target in owner.targets:
        artefact = render(target, request.policy, request.posture, version=request.version)
        artefact = owner.fit(artefact, enforce=enforce)
        texts[target], digest = artefact.files, artefact.digest
    applied = Applied(
        backend=choice.backend,
        role=request.policy.role.value,
        posture=request.posture.value,
        digest=digest,
        at=now(),
        texts=texts,
    )
    live = owner.read()
    # A first load of the kernel's own needs no comparison: everything in it is new.
    compare = live or request.exact or owner.restores_at_boot
    wanted = owner.canonical(texts) if compare else None
    pending = read_pending(store)
    found = list(changes(live, owner.preview(texts) if wanted is None else wanted))
    others = _others(store, choice.backend)
    for name in others:
        found += changes(backend(name).read(), {})
    rules_change = bool(found)
    if pending is None:
        found += persistence_changes(store, _confirmed(applied))
    return Plan(
        choice=choice,
        digest=digest,
        applied=applied,
        live=live,
        wanted=wanted,
        others=others,
        changes=tuple(found),
        rules_change=rules_change,
        refused=_refused(request) or (owner.obstacle() if rules_change else ""),
        pending=pending,
    )


def _refused(request: Request) -> str:
    if request.session is None or request.posture is not Posture.ENFORCE:
        return ""
    return refusal(request.session, let_through(request.policy))


def _others(store: Store, name: str) -> tuple[str, ...]:
    """Backends, other than this one, that an earlier apply used."""
    used = set()
    if (applied := read_applied(store)) is not None:
        used.add(applied.backend)
    if (pending := read_pending(store)) is not None:
        used |= set(pending.own)
    return tuple(sorted(other for other in used - {name} if backend(other).read()))


def _confirmed(applied: Applied, *, at: str = "") -> Applied:
    return Applied(**{**vars(applied), "confirmed": True, "at": at or applied.at})


def apply(request: Request, store: Store) -> tuple[Plan, Outcome]:
    """Does it. Raises Refused where it must not be done or did not work; then all is as before."""
    with store.lock():
        settle(store)
        plan = make_plan(request, store)
        if plan.rules_change and plan.refused and not request.force:
            raise Refused(f"refused: {plan.refused}; or use --force")
        if not plan.rules_change:
            if plan.pending is None:
                keep(store, plan.applied)
            return plan, Outcome(plan.changed, plan.pending)
        owner = backend(plan.choice.backend)
        watch = Watch(None if request.force else request.session)
        own = {plan.choice.backend: plan.live}
        own |= {name: backend(name).read() for name in plan.others}
        pending = begin(store, own, request.arming, plan.pending)
        try:
            live = plan.live
            if request.posture is Posture.ENFORCE and not plan.others:
                live = let_meet(owner, plan.applied.texts, live)
            owner.load(plan.applied.texts, live)
            for other in plan.others:
                backend(other).restore({})
            _verify(owner, plan)
            watch.check()
            warnings = _verify_space(request)
            done = finish(store, pending, plan.applied)
        except (BackendError, CommandError, Refused, StateError) as error:
            # StateError: a full disk, which takes the record or the files for the boot no more.
            undo(store, pending, str(error))
            disarm(pending)
            raise Refused(f"rolled back: {error}") from error
        return plan, Outcome(done.changed, done.pending, warnings)


class Watch:
    """The operator's connection before a change, to be looked at again after it."""

    def __init__(self, session: Session | None) -> None:
        self._session = session
        self._before = None
        if session is not None:
            from rules.lifecycle.livecheck import session_trace

            self._before = session_trace(session)

    def check(self) -> None:
        """Raises Refused where a new connection like it would not get in any more."""
        if self._session is None:
            return
        from rules.lifecycle.livecheck import is_cut, session_trace, where

        after = session_trace(self._session)
        if after is not None and is_cut(self._before, after):
            raise Refused(
                f"{self._session} would not get in again: {where(after.decided_by)} is what drops "
                "it; or use --force"
            )


def begin(store: Store, own: dict[str, Own], arming: Arming, earlier: Pending | None) -> Pending:
    """Snapshot and armed rollback. ``own``: what is ours in each backend that will change.

    A pending change that this one replaces keeps its snapshot: what nobody confirmed is nothing
    to come back to.
    """
    snapshot = Snapshot(own, store.read(APPLIED))
    if earlier is not None:
        snapshot = Snapshot({**own, **earlier.own}, earlier.before)
    seconds = arming.confirm_within_s or UNCONFIRMED_S
    pending = Pending(
        id=os.urandom(6).hex(),
        boot_id=boot_id(),
        deadline_s=boot_clock() + seconds,
        until=_clock_time(seconds),
        confirm=bool(arming.confirm_within_s),
        applied=False,
        pid=os.getpid(),
        pid_start=process_start(os.getpid()),
        session=describe(arming.session),
        guard="",
        own=snapshot.own,
        before=snapshot.applied,
    )
    armed = arm(store, pending, arming.command)
    if earlier is not None:
        disarm(earlier)
    return armed


def _clock_time(seconds: float) -> str:
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def describe(session: Session | None) -> str:
    """A connection as one word, to know it again; empty for none."""
    if session is None:
        return ""
    return f"{session.client},{session.client_port},{session.server},{session.server_port}"


def _verify(owner: Backend, plan: Plan) -> None:
    """Reads back. Raises Refused where what is there is not what was loaded."""
    if plan.wanted is not None:
        if wrong := changes(owner.read(), plan.wanted):
            names = ", ".join(change.object for change in wrong[:3])
            raise Refused(f"read back, {names} is not what was loaded")
    elif not owner.holds(plan.digest):
        raise Refused(f"read back, {plan.choice.backend} does not hold policy {plan.digest}")


def _verify_space(request: Request) -> tuple[str, ...]:
    """What of all packets this host lets in or stops otherwise than the policy wants, since our
    own rules are as they should be: by rules of others, which a person should know of."""
    if count_networks(request.policy.cluster) > MOST_NETWORKS:
        return ()
    from rules.lifecycle.livecheck import live_space, told

    try:
        found = live_space(request.policy, request.posture)
    except CommandError as error:
        return (f"what the rules of this host let in cannot be told: {error}",)
    warnings = []
    if found.missing:
        warnings.append(f"not let in: {told(found.missing)}")
    if found.excess:
        warnings.append(f"let in though no flow needs it: {told(found.excess)}")
    return tuple(warnings)


def finish(store: Store, pending: Pending, applied: Applied | None) -> Outcome:
    """After the rules are in: wait for a confirmation, or take it as given."""
    if not pending.confirm:
        keep(store, applied)
        store.remove(PENDING)
        disarm(pending)
        return Outcome(True)
    if applied is None:
        store.remove(APPLIED)
    else:
        store.write(APPLIED, vars(applied))
    waiting = Pending(**{**vars(pending), "applied": True})
    waiting.write(store)
    return Outcome(True, waiting)


def keep(store: Store, applied: Applied | None) -> None:
    """Confirmed: recorded, and loaded at the next boot. Writes what differs and nothing else."""
    if applied is None:
        store.remove(APPLIED)
        persist(store, None)
        return
    confirmed = _confirmed(applied)
    earlier = read_applied(store)
    if earlier is None or _confirmed(applied, at=earlier.at) != earlier:
        store.write(APPLIED, vars(confirmed))
    persist(store, confirmed)


def wait_for_confirmation(store: Store, pending: Pending) -> bool:
    """Waits until somebody confirms (True) or the rollback has happened (False)."""
    while (current := read_pending(store)) is not None and current.id == pending.id:
        time.sleep(_TICK_S)
    last = store.read(LAST) or {}
    return not (last.get("event") == ROLLED_BACK and last.get("id") == pending.id)

"""The armed rollback: what puts the old rules back when nobody says that the new ones work.

It is armed before anything changes. Where systemd runs it is a transient timer; elsewhere a
process of its own session that no terminal and no parent can take down. Both look only at the
pending change in the state directory: confirmed or replaced, they do nothing.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rules.backend import Own
from rules.errors import CommandError, NodeprepError
from rules.lifecycle.persist import systemd_runs
from rules.lifecycle.snapshot import LAST, PENDING, Snapshot, put_back
from rules.record import record
from rules.run import run
from rules.state import VARIABLE, StateError, Store

ROLLED_BACK = "rolled-back"
UNIT_PREFIX = "nodeprep-rollback-"
# How long an apply may take that asks for no confirmation, before it counts as killed.
UNCONFIRMED_S = 90.0
# A loader outlives its killed parent for at most about this long.
_ORPHAN_S = 2.0
# A guard that has not acted by then is gone.
_LATE_S = 15.0
_TICK_S = 0.2
_TRIES, _RETRY_S = 5, 3.0
_SYSTEMD_TIMEOUT_S = 20.0


@record
class Pending:
    """A change that is not confirmed.

    ``deadline_s`` is of the clock that goes on in suspend and starts with the boot ``boot_id``;
    ``until`` the same for people. ``applied``: the rules are in. ``pid``, ``pid_start``: who
    applies. ``session``: the SSH connection it came by, empty: none. ``guard``: the timer's unit,
    or empty for a process.
    """

    id: str
    boot_id: str
    deadline_s: float
    until: str
    confirm: bool
    applied: bool
    pid: int
    pid_start: str
    session: str
    guard: str
    own: dict[str, Own]
    before: dict[str, Any] | None

    @property
    def snapshot(self) -> Snapshot:
        """What comes back."""
        return Snapshot(self.own, self.before)

    @property
    def overdue(self) -> bool:
        """Its time is over and its guard has not acted."""
        return boot_clock() > self.deadline_s + _LATE_S or self.interrupted

    @property
    def interrupted(self) -> bool:
        """Whoever applied it was killed in the middle."""
        return not self.applied and process_start(self.pid) != self.pid_start

    @property
    def of_this_boot(self) -> bool:
        """False where the kernel has forgotten it by a reboot."""
        return self.boot_id == boot_id()

    def write(self, store: Store) -> None:
        """To the state directory."""
        store.write(PENDING, vars(self))


def read_pending(store: Store) -> Pending | None:
    """The change that waits for a confirmation; None where none does."""
    document = store.read(PENDING)
    if document is None:
        return None
    try:
        return Pending(**{name: document[name] for name in Pending.__match_args__})
    except KeyError:
        raise store.damaged(PENDING) from None


def boot_clock() -> float:
    """Seconds since boot, suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Another one after each boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def process_start(pid: int) -> str:
    """When a process was started, in ticks; empty where there is none of that number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def arm(store: Store, pending: Pending, command: Sequence[str]) -> Pending:
    """Writes the pending change and starts its guard; from here on a kill is undone.

    ``command``: how this program is called, for the timer.
    """
    if systemd_runs():
        timed = Pending(**{**vars(pending), "guard": f"{UNIT_PREFIX}{pending.id}.timer"})
        timed.write(store)
        if _arm_timer(store, timed, command):
            return timed
    pending.write(store)
    _start_guard(store, pending)
    return pending


def _arm_timer(store: Store, pending: Pending, command: Sequence[str]) -> bool:
    seconds = max(1.0, pending.deadline_s - boot_clock())
    argv = ["systemd-run", "--quiet", "--collect", f"--unit={UNIT_PREFIX}{pending.id}"]
    argv += [f"--on-active={seconds:.1f}s", "--timer-property=AccuracySec=200ms"]
    argv += ["--property=Restart=on-failure", "--property=RestartSec=3"]
    argv += [f"--setenv={VARIABLE}={store.root}", f"--setenv=PYTHONPATH={_import_path()}", "--"]
    argv += [*command, "firewall", "rollback", "--pending", pending.id]
    try:
        run(argv, timeout_s=_SYSTEMD_TIMEOUT_S)
    except CommandError:
        return False
    return True


def _import_path() -> str:
    return str(Path(__file__).resolve().parents[2])


def disarm(pending: Pending) -> None:
    """Stops the timer; the process sees by itself that there is nothing left to do."""
    if pending.guard:
        run(["systemctl", "stop", pending.guard], timeout_s=_SYSTEMD_TIMEOUT_S, ok=range(256))


def roll_back(store: Store, pending_id: str, reason: str, *, lock_timeout_s: float = 60.0) -> bool:
    """Puts the old rules back if that change is still pending; whether it was."""
    with store.lock(timeout_s=lock_timeout_s):
        pending = read_pending(store)
        if pending is None or pending.id != pending_id:
            return False
        undo(store, pending, reason)
    return True


def undo(store: Store, pending: Pending, reason: str) -> None:
    """Puts back what a pending change replaced; the lock must be held."""
    if pending.of_this_boot:
        put_back(store, pending.snapshot)
    else:
        # The kernel has nothing of it any more, and the boot brought the confirmed rules.
        put_back(store, Snapshot({}, pending.before))
    # First why, then that: whoever sees it gone can read what became of it.
    last = {"event": ROLLED_BACK, "reason": reason, "at": now(), "id": pending.id}
    try:
        store.write(LAST, last)
    except StateError:
        # A full disk: what is removed makes room.
        store.remove(PENDING)
        store.write(LAST, last)
    else:
        store.remove(PENDING)


def settle(store: Store) -> Pending | None:
    """The pending change, after having undone one whose guard is gone; the lock must be held."""
    pending = read_pending(store)
    if pending is None:
        return None
    if not pending.of_this_boot:
        undo(store, pending, "the machine was rebooted before it was confirmed")
        return None
    if pending.overdue:
        undo(store, pending, "it was interrupted, or its guard was killed")
        return None
    return pending


def _start_guard(store: Store, pending: Pending) -> None:
    """Forks twice, so that the guard belongs to nobody who could take it along."""
    ready, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        os.waitpid(child, 0)
        started = os.read(ready, 1)
        os.close(ready)
        if not started:
            raise NodeprepError("the rollback could not be armed, and so nothing was changed")
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.write(tell, b"1")
        # The lock is among them: it must go when the parent lets go of it.
        os.closerange(3, 4096)
        _watch(store, pending)
    finally:
        os._exit(0)


def _watch(store: Store, pending: Pending) -> None:
    path = store.path / PENDING
    seen: tuple[int, int] | None = None
    deadline = pending.deadline_s
    applied = pending.applied
    while True:
        try:
            status = path.stat()
        except OSError:
            return
        if seen != (status.st_ino, status.st_mtime_ns):
            current = read_pending(store)
            if current is None or current.id != pending.id:
                return
            seen, applied = (status.st_ino, status.st_mtime_ns), current.applied
        if not applied and process_start(pending.pid) != pending.pid_start:
            deadline = min(deadline, boot_clock() + _ORPHAN_S)
            applied = True
        if boot_clock() >= deadline:
            break
        time.sleep(_TICK_S)
    for _ in range(_TRIES):
        if _rolled_back(store, pending):
            return
        time.sleep(_RETRY_S)


def _rolled_back(store: Store, pending: Pending) -> bool:
    try:
        roll_back(store, pending.id, "nobody confirmed it in time")
    except Exception:  # noqa: BLE001 - nobody is there to be told; it is tried again
        return False
    return True

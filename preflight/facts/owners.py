"""Which process holds a socket: one walk over the open files of all processes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from preflight.facts.system import FIRST_PID_NAMESPACE
from rules.record import record

_PREFIX, _SUFFIX = "socket:[", "]"


@record
class Owners:
    """``pids``: inode of a socket -> the process that holds it, of several the first that is not
    process 1 (systemd keeps the sockets of the services that it activates). ``complete``: every
    process was seen, so a socket that is not in ``pids`` belongs to the kernel itself."""

    pids: dict[int, int]
    complete: bool


def find_owners(inodes: Collection[int], *, proc: str = "/proc") -> Owners:
    """Walks /proc/PID/fd until every inode has its process.

    Processes in other network namespaces (pods) are walked last, and only if something is missing.
    """
    missing = set(inodes)
    found: dict[int, int] = {}
    if not missing:
        return Owners(found, complete=True)
    try:
        pids = sorted(int(entry) for entry in os.listdir(proc) if entry.isdigit())
    except OSError:
        return Owners(found, complete=False)
    near, far = _by_namespace([pid for pid in pids if pid != 1], proc)
    if 1 in pids:
        near.append(1)
    # Only in the kernel's first PID namespace all processes are seen.
    complete = _link(f"{proc}/self/ns/pid") == FIRST_PID_NAMESPACE and 1 in pids
    for pid in (*near, *far):
        held = _sockets_of(pid, proc)
        if held is None:
            complete = False
            continue
        for inode in missing.intersection(held):
            found[inode] = pid
            missing.discard(inode)
        if not missing:
            break
    return Owners(found, complete)


def _by_namespace(pids: Iterable[int], proc: str) -> tuple[list[int], list[int]]:
    """The processes in this network namespace (or in one that may not be seen), and the others."""
    near: list[int] = []
    far: list[int] = []
    own = _link(f"{proc}/self/ns/net")
    for pid in pids:
        (near if _link(f"{proc}/{pid}/ns/net") in (own, "") else far).append(pid)
    return near, far


def _sockets_of(pid: int, proc: str) -> set[int] | None:
    """The inodes of the sockets that a process has open; None where that may not be read."""
    directory = f"{proc}/{pid}/fd"
    found = set()
    try:
        for name in os.listdir(directory):
            try:
                target = os.readlink(f"{directory}/{name}")
            except FileNotFoundError:
                continue  # just closed
            if target.startswith(_PREFIX):
                found.add(int(target[len(_PREFIX) : -len(_SUFFIX)]))
    except PermissionError:
        return None
    except OSError:
        return found  # the process has ended
    return found


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""

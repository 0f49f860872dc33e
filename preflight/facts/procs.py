"""Which processes run, and which systemd unit a process belongs to. Shared by several readers."""

from __future__ import annotations

import os

from preflight.facts.model import Known, Unknown

# systemd.unit(5): the kinds that hold processes. A slice groups units and is never the answer.
_UNIT_SUFFIXES = (".service", ".scope", ".socket", ".mount", ".swap")


def parse_cgroup_unit(text: str) -> str:
    """/proc/PID/cgroup -> ``kubelet.service``, empty where no unit holds the process.

    The first part below the slices is the system's unit; what is deeper belongs to a user's own
    manager or to a container. cgroup v2 has one line (``0::``), v1 a line named ``systemd``; on a
    hybrid host both are there and v1's is the one that systemd fills.
    """
    paths: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            paths[parts[1]] = parts[2]
    for hierarchy in ("name=systemd", ""):
        for part in paths.get(hierarchy, "").split("/"):
            if part.endswith(_UNIT_SUFFIXES):
                # systemd escapes names that look like kernel files with one underscore.
                return part.removeprefix("_")
    return ""


def unit_of(pid: int, *, proc: str = "/proc") -> str:
    """The systemd unit of a process; empty where it has none, is gone or may not be read."""
    return parse_cgroup_unit(_text(f"{proc}/{pid}/cgroup"))


def command_of(pid: int, *, proc: str = "/proc") -> str:
    """The command line of a process, arguments joined by spaces; empty for kernel threads."""
    return _text(f"{proc}/{pid}/cmdline").replace("\0", " ").strip()


def name_of(pid: int, *, proc: str = "/proc") -> str:
    """The process's name as the kernel keeps it (15 characters at most); empty where it is gone."""
    return _text(f"{proc}/{pid}/comm").rstrip("\n")


def parent_of(pid: int, *, proc: str = "/proc") -> int | None:
    """The parent's process id; None where the process is gone or may not be read."""
    # The name is in brackets and may hold anything, brackets and blanks included.
    fields = _text(f"{proc}/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 and fields[1].isdecimal() else None


def process_names(*, proc: str = "/proc") -> Known[dict[int, str]]:
    """Process id -> name as the kernel keeps it (15 characters at most), of all that can be seen.

    Unknown ``denied`` where /proc hides other users' processes (hidepid): then an absent process
    proves nothing.
    """
    try:
        entries = os.listdir(proc)
    except OSError as error:
        return Unknown("denied", f"{proc} may not be read: {error.strerror}")
    if not any(entry.isdigit() for entry in entries):
        return Unknown("absent", f"{proc} is not mounted")
    names = {
        int(entry): name
        for entry in entries
        if entry.isdigit() and (name := name_of(int(entry), proc=proc))
    }
    if 1 not in names:
        return Unknown("denied", f"{proc} hides the processes of other users")
    return names


def in_own_network(pid: int, *, proc: str = "/proc") -> bool | None:
    """Whether a process is in this process's network namespace; None where that may not be read."""
    try:
        return os.readlink(f"{proc}/{pid}/ns/net") == os.readlink(f"{proc}/self/ns/net")
    except OSError:
        return None


def _text(path: str) -> str:
    # os.open and os.read: a third of the time of open(), and there are hundreds of processes.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 8192).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)

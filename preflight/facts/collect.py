"""Reads every subject once, side by side, each within a deadline."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from importlib import import_module
from typing import Any

from preflight import __version__
from preflight.facts.host import Host
from preflight.facts.model import Facts, Unknown
from preflight.facts.model.identity import Privileges
from preflight.settings import Settings

# A subject is a module of this package with `collect(host, settings)`; the slow ones come first.
SUBJECTS = (
    "network",
    "identity",
    "runtime",
    "cni",
    "ports",
    "firewall",
    "kernel",
    "hardware",
    "system",
)
# The whole run stays under a second on a healthy machine; a subject that takes this long hangs.
DEADLINE_S = 8.0
# Python runs one thread at a time: before the others import their modules, the link is asked.
HEAD_START_S = 0.1
DEEP_DEADLINE_S = 60.0


def parse_capabilities(status: str) -> int:
    """/proc/self/status -> the effective capability set, 0 where the line is missing."""
    for line in status.splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def collect(
    host: Host,
    settings: Settings,
    *,
    subjects: Collection[str] = SUBJECTS,
    timings: dict[str, float] | None = None,
    deadline_s: float | None = None,
) -> Facts:
    """The facts of this machine, all unless ``subjects`` names those that are wanted.

    ``timings`` receives milliseconds by subject.

    A subject that raises is Unknown ``failed``, one that does not end in time is ``timeout``:
    the rest is there all the same.
    """
    limit = deadline_s or (DEEP_DEADLINE_S if host.deep else DEADLINE_S)
    results: dict[str, Any] = {}

    def read(subject: str) -> None:
        started = time.perf_counter()
        try:
            results[subject] = import_module(f"preflight.facts.{subject}").collect(host, settings)
        except Exception as error:  # noqa: BLE001  (one broken reader must not hide the others)
            results[subject] = Unknown(
                "failed", f"reading {subject} broke: {type(error).__name__}: {error}"
            )
        if timings is not None:
            timings[subject] = (time.perf_counter() - started) * 1000

    wanted = [subject for subject in SUBJECTS if subject in subjects]
    run_all({subject: partial(read, subject) for subject in wanted}, limit, host.link_asked)
    unasked = Unknown("not-asked", "it was not wanted")
    late = Unknown("timeout", f"reading did not end within {limit:g} s")
    status = host.read("/proc/self/status")
    return Facts(
        nodeprep=__version__,
        collected=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        privileges=Privileges(
            uid=os.geteuid(),
            capabilities=status if isinstance(status, Unknown) else parse_capabilities(status),
        ),
        **{
            subject: results.get(subject, late if subject in wanted else unasked)
            for subject in SUBJECTS
        },
    )


def run_all(
    actions: dict[str, Callable[[], None]], limit_s: float, first: threading.Event | None = None
) -> None:
    """Runs the actions side by side and returns when all ended or ``limit_s`` is over.

    ``first``: what the first of them sets when it has nothing to do but wait.

    The threads are daemons: one that is stuck in the kernel (a dead NFS server) does not keep
    the process from ending.
    """
    threads = [
        threading.Thread(target=action, name=name, daemon=True) for name, action in actions.items()
    ]
    end = time.monotonic() + limit_s
    for thread in threads:
        start(thread)
        if first is not None and thread is threads[0]:
            first.wait(HEAD_START_S)
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, end - time.monotonic()))


def start(thread: threading.Thread) -> None:
    """Starts it, or does its work here where no thread can be started."""
    try:
        thread.start()
    except RuntimeError:  # no room for one more: a limit on processes or memory
        thread.run()

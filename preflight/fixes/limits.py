"""Limits that a node with many pods runs into."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.limits import (
    CONNTRACK_KEY,
    INOTIFY_MINIMUM,
    OPEN_FILES_KERNEL,
    wanted_connections,
    wanted_open_files,
)
from preflight.facts.model import known
from preflight.fixes.ownfile import own_file
from preflight.fixes.registry import Context, fix
from preflight.fixes.settings import at_least, settings
from preflight.fixes.steps import Note, Step

# The last name counts, and letters come after digits.
_MANAGER_FILE = "/etc/systemd/system.conf.d/zzz-nodeprep.conf"


@fix("conntrack-max")
def conntrack_max(context: Context) -> Iterator[Step | Note]:
    """Room for what kube-proxy would ask for."""
    wanted = wanted_connections(context.facts, context.target)
    yield from settings(context, {CONNTRACK_KEY: at_least(context, CONNTRACK_KEY, wanted)})


@fix("inotify-limits")
def inotify_limits(context: Context) -> Iterator[Step | Note]:
    """The least that a node wants, of each limit that is below it."""
    kernel = known(context.facts.kernel)
    low = [key for key in context.subjects if key in kernel.sysctls]
    yield from settings(context, {key: at_least(context, key, INOTIFY_MINIMUM[key]) for key in low})


@fix("open-files-limit")
def open_files_limit(context: Context) -> Iterator[Step | Note]:
    """The kernel's limit, and the one that systemd gives services."""
    if "fs.nr_open" in context.subjects:
        wanted = at_least(context, "fs.nr_open", OPEN_FILES_KERNEL)
        yield from settings(context, {"fs.nr_open": wanted})
    if "services" in context.subjects and known(context.facts.kernel).boot_applier == "systemd":
        yield own_file(
            _MANAGER_FILE,
            "system.conf.j2",
            context.id,
            effects=(("systemctl", "daemon-reexec"),),
            limit=wanted_open_files(known(context.facts.kernel)),
        )

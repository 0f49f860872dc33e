"""Control groups: the version a kubelet would use, and its controllers."""

from __future__ import annotations

import os

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.kernel import Cgroups
from preflight.versions.kernel import parse_release

ROOT = "/sys/fs/cgroup"
# https://docs.kernel.org/admin-guide/cgroup-v2.html: cgroup.freeze came with Linux 5.2.
_FREEZER_SINCE = (5, 2)


def parse_mounts(text: str) -> tuple[tuple[str, str, str], ...]:
    """/proc/self/mounts -> (mount point, type, options) below /sys/fs/cgroup, in order."""
    rows = (line.split(" ") for line in text.splitlines())
    return tuple(
        (row[1], row[2], row[3])
        for row in rows
        if len(row) > 3 and (row[1] == ROOT or row[1].startswith(f"{ROOT}/"))
    )


def parse_proc_cgroups(text: str) -> dict[str, bool]:
    """/proc/cgroups -> controller -> enabled."""
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {row[0]: row[3] == "1" for row in rows if len(row) == 4}


def v1_controllers(mounts: tuple[tuple[str, str, str], ...]) -> frozenset[str]:
    """The controllers that are mounted as version 1, by the mount options."""
    return frozenset(
        option for _, kind, options in mounts if kind == "cgroup" for option in options.split(",")
    )


def read_cgroups(host: Host) -> Known[Cgroups]:
    """As kubernetes/system-validators tells the versions apart: by the mount of /sys/fs/cgroup."""
    text = host.read("/proc/self/mounts")
    if isinstance(text, Unknown):
        return text
    mounts = parse_mounts(text)
    root = [kind for point, kind, _ in mounts if point == ROOT]
    table = host.read("/proc/cgroups")
    states = {} if isinstance(table, Unknown) else parse_proc_cgroups(table)
    disabled = tuple(sorted(name for name, enabled in states.items() if not enabled))
    if not root:
        return Unknown("absent", f"no control groups are mounted on {ROOT}")
    if root[-1] == "cgroup2":
        return _version2(host, disabled)
    if root[-1] != "tmpfs":
        return Unknown("failed", f"{ROOT} is a {root[-1]}, not control groups")
    mounted = v1_controllers(mounts)
    if not mounted:
        return Unknown("failed", f"{ROOT} is an empty tmpfs: no controllers are mounted in it")
    return Cgroups(
        version=1,
        hybrid=any(kind == "cgroup2" for _, kind, _ in mounts),
        controllers=tuple(sorted(name for name in states if states[name] and name in mounted)),
        disabled=disabled,
    )


def _version2(host: Host, disabled: tuple[str, ...]) -> Known[Cgroups]:
    text = host.read(f"{ROOT}/cgroup.controllers")
    if isinstance(text, Unknown):
        return text
    controllers = set(text.split())
    # The root has no cgroup.freeze; any group below it has where the kernel can freeze. Where
    # there is no group yet, the release tells.
    below = groups(host)
    freezes = any(host.exists(f"{path}/cgroup.freeze") for path in below)
    if freezes or (not below and (parse_release(os.uname().release) or (0, 0)) >= _FREEZER_SINCE):
        controllers.add("freezer")
    return Cgroups(2, hybrid=False, controllers=tuple(sorted(controllers)), disabled=disabled)


def groups(host: Host) -> tuple[str, ...]:
    """The groups right below the root; on v1 the controllers' own roots."""
    names = host.listdir(ROOT)
    # Groups have a file cgroup.procs; files of the root itself do not.
    return tuple(
        f"{ROOT}/{name}"
        for name in (() if isinstance(names, Unknown) else names)
        if host.exists(f"{ROOT}/{name}/cgroup.procs")
    )

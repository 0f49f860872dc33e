"""Kernel options by behaviour: what can be seen at work needs no configuration file."""

from __future__ import annotations

import os

from preflight.facts.cgroups import ROOT, groups, parse_proc_cgroups
from preflight.facts.host import Host
from preflight.facts.model import Unknown

_NAMESPACES = {"NET_NS": "net", "PID_NS": "pid", "IPC_NS": "ipc", "UTS_NS": "uts"}
_CONTROLLERS = {
    "CPUSETS": "cpuset",
    "MEMCG": "memory",
    "CGROUP_PIDS": "pids",
    "CGROUP_SCHED": "cpu",
}
# These controllers exist in version 1 only; newer kernels list no others in /proc/cgroups.
_V1_CONTROLLERS = {
    "CGROUP_CPUACCT": "cpuacct",
    "CGROUP_DEVICE": "devices",
    "CGROUP_FREEZER": "freezer",
}
# (file of a group, the option that makes it): the root of a version 2 tree has none of them.
_GROUP_FILES = (
    ("FAIR_GROUP_SCHED", ("cpu.weight", "cpu.shares")),
    ("CFS_BANDWIDTH", ("cpu.max", "cpu.cfs_quota_us")),
)
_PATHS = {
    "INET": "/proc/sys/net/ipv4",
    "PROC_FS": "/proc/self",
    "SECCOMP_FILTER": "/proc/sys/kernel/seccomp/actions_avail",
}
# The system call's number by machine, as the kernel's tables have it.
_BPF_CALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_BPF_PROG_QUERY, _BPF_CGROUP_DEVICE = 16, 6


def read_features(host: Host) -> dict[str, bool]:
    """Option -> whether it is there. What cannot be told this way is not in it."""
    found: dict[str, bool] = {}
    namespaces = host.listdir("/proc/self/ns")
    if not isinstance(namespaces, Unknown):
        found["NAMESPACES"] = "uts" in namespaces or "net" in namespaces
        found.update({option: name in namespaces for option, name in _NAMESPACES.items()})
    found.update(_controllers(host))
    found.update({option: True for option, path in _PATHS.items() if host.exists(path)})
    status = host.read("/proc/self/status")
    if not isinstance(status, Unknown):
        found["SECCOMP"] = "\nSeccomp:" in status
    systems = host.read("/proc/filesystems")
    # A file system that is not listed may still be a module that nobody has asked for.
    if not isinstance(systems, Unknown) and "\text4" in systems:
        found["EXT4_FS"] = True
    for option, path, word in (
        ("NETFILTER_XT_TARGET_REDIRECT", "/proc/net/ip_tables_targets", "REDIRECT"),
        ("NETFILTER_XT_MATCH_COMMENT", "/proc/net/ip_tables_matches", "comment"),
    ):
        text = host.read(path)
        if not isinstance(text, Unknown) and word in text.split():
            found[option] = True
    return found


def _controllers(host: Host) -> dict[str, bool]:
    table = host.read("/proc/cgroups")
    if isinstance(table, Unknown):
        without = table.reason == "absent" and host.exists("/proc/self")
        return {"CGROUPS": False} if without else {}
    old = parse_proc_cgroups(table).keys()
    new = host.read(f"{ROOT}/cgroup.controllers")
    every = old | (set() if isinstance(new, Unknown) else set(new.split()))
    found = {"CGROUPS": True}
    found.update({option: name in every for option, name in _CONTROLLERS.items()})
    found.update({option: name in old for option, name in _V1_CONTROLLERS.items()})
    places = groups(host)
    for option, files in _GROUP_FILES:
        if any(host.exists(f"{place}/{file}") for place in places for file in files):
            found[option] = True
    return found


def cgroup_bpf(path: str = ROOT) -> bool | None:
    """Whether the kernel knows eBPF programs of groups: it is asked which ones ``path`` has.

    None where it cannot be told: not allowed, or another machine than the ones known here.
    Nothing is attached or loaded.
    """
    import ctypes
    import errno
    import struct

    number = _BPF_CALL.get(os.uname().machine)
    if number is None:
        return None
    try:
        group = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # union bpf_attr, query: target_fd, attach_type, query_flags, attach_flags, prog_ids,
        # prog_cnt; the kernel refuses sizes it does not know unless the rest is zero.
        query = ctypes.create_string_buffer(
            struct.pack("=IIIIQI", group, _BPF_CGROUP_DEVICE, 0, 0, 0, 0), 64
        )
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(number, _BPF_PROG_QUERY, query, 64) == 0:
            return True
        # Without CONFIG_CGROUP_BPF the query itself is invalid.
        return False if ctypes.get_errno() == errno.EINVAL else None
    finally:
        os.close(group)

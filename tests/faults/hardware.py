"""Faults of processors, memory and disks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from preflight.facts.model import Facts, known
from preflight.facts.model.hardware import DiskLatency
from rules.cluster import Role
from tests.faults.model import LiveFault, SavedFault
from tests.nodes import hardware

MIB = 1024**2


def change(**values: Any) -> Callable[[Facts], Facts]:
    """The healthy hardware with other values."""
    return lambda facts: replace(facts, hardware=replace(hardware.healthy(), **values))


def on_disk(path: str, **values: Any) -> Callable[[Facts], Facts]:
    """One path on a file system of its own."""
    return change(
        file_systems=tuple(
            replace(system, mount_point=path, **values) if system.path == path else system
            for system in known(hardware.healthy().file_systems)
        )
    )


FAULTS: tuple[SavedFault | LiveFault, ...] = (
    SavedFault("1 CPU", frozenset({"cpu-count"}), change(cpus=1)),
    SavedFault("1600 MiB", frozenset({"memory"}), change(memory_bytes=1600 * MIB)),
    SavedFault(
        "1000 MiB on a worker",
        frozenset({"memory"}),
        change(memory_bytes=1000 * MIB),
        role=Role.WORKER,
    ),
    SavedFault(
        "xfs without ftype",
        frozenset({"filesystem-type"}),
        on_disk("/var/lib/containerd", type="xfs", ftype=False),
    ),
    SavedFault(
        "etcd on NFS",
        frozenset({"filesystem-type"}),
        on_disk("/var/lib/etcd", type="nfs4", device="192.0.2.5:/export"),
        role=Role.ETCD,
    ),
    SavedFault(
        "a full image disk",
        frozenset({"disk-space"}),
        on_disk("/var/lib/containerd", available_bytes=7 * 1024 * MIB),
    ),
    SavedFault(
        "no inodes left",
        frozenset({"disk-space"}),
        on_disk("/var/lib/kubelet", available_inodes=20_000),
        role=Role.WORKER,
    ),
    SavedFault(
        "volumes on a nosuid mount",
        frozenset({"mount-options"}),
        on_disk("/var/lib/kubelet", options=("rw", "nosuid", "nodev")),
    ),
    SavedFault(
        "a slow etcd disk",
        frozenset({"etcd-disk-latency"}),
        change(etcd_disk=DiskLatency("/var/lib/etcd", 640, p50_ms=8.1, p99_ms=25.3)),
    ),
    LiveFault(
        "this process may use 1 CPU", frozenset({"cpu-count"}), "taskset --pid --cpu-list 0 $$"
    ),
    LiveFault(
        "this machine has 1600 MiB",
        frozenset({"memory"}),
        "sed 's/^MemTotal:.*/MemTotal:        1638400 kB/' /proc/meminfo > /run/meminfo\n"
        "mount --bind /run/meminfo /proc/meminfo",
    ),
    LiveFault(
        "the plugin directory is noexec",
        frozenset({"mount-options"}),
        "mount --bind /opt/cni/bin /opt/cni/bin\nmount -o remount,bind,noexec /opt/cni/bin",
        baseline="mkdir -p /opt/cni/bin",
    ),
    LiveFault(
        "volumes on a read-only mount",
        frozenset({"mount-options"}),
        "mount --bind /var/lib/kubelet /var/lib/kubelet\nmount -o remount,bind,ro /var/lib/kubelet",
        baseline="mkdir -p /var/lib/kubelet",
    ),
    LiveFault(
        "64 MiB for the kubelet",
        frozenset({"disk-space"}),
        "mount -t tmpfs -o size=64m tmpfs /var/lib/kubelet",
        baseline="mkdir -p /var/lib/kubelet",
    ),
)

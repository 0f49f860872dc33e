"""Processors, memory, file systems and clock source: read."""

from __future__ import annotations

import os

from preflight.facts.disks import measure_latency, read_file_systems
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.hardware import DiskLatency, Hardware
from preflight.settings import Settings

_CLOCK = "/sys/devices/system/clocksource/clocksource0"


def parse_memory_bytes(text: str) -> int | None:
    """/proc/meminfo -> MemTotal in bytes, None where the line is not there."""
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "MemTotal:" and words[1].isdigit():
            return int(words[1]) * 1024
    return None


def collect(host: Host, settings: Settings) -> Hardware:
    """Reads it all; ``host.deep`` adds the fdatasync measurement, at most 10 seconds."""
    file_systems, silent = read_file_systems(host, settings)
    latency: Known[DiskLatency] = Unknown("not-asked", "measured only with --deep")
    if host.deep:
        latency = measure_latency(settings.etcd.data_dir)
    source = host.read(f"{_CLOCK}/current_clocksource")
    available = host.read(f"{_CLOCK}/available_clocksource")
    return Hardware(
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=_memory(host),
        file_systems=file_systems,
        etcd_disk=latency,
        clock_source=source if isinstance(source, Unknown) else source.strip(),
        clock_sources_available=() if isinstance(available, Unknown) else tuple(available.split()),
        file_systems_unknown=silent,
    )


def _memory(host: Host) -> Known[int]:
    text = host.read("/proc/meminfo")
    if isinstance(text, Unknown):
        return text
    total = parse_memory_bytes(text)
    return Unknown("failed", "/proc/meminfo has no MemTotal") if total is None else total

"""Healthy hardware: 4 processors, 8 GiB, one ext4 disk."""

from __future__ import annotations

from preflight.facts.disks import paths
from preflight.facts.model.hardware import DiskLatency, FileSystem, Hardware
from preflight.settings import Settings

GIB = 1024**3


def file_system(path: str) -> FileSystem:
    """The root disk of 60 GiB, two thirds free."""
    return FileSystem(
        path=path,
        mount_point="/",
        device="/dev/vda1",
        type="ext4",
        options=("rw", "relatime", "errors=remount-ro"),
        total_bytes=60 * GIB,
        available_bytes=40 * GIB,
        total_inodes=3_932_160,
        available_inodes=3_700_000,
    )


def healthy() -> Hardware:
    return Hardware(
        cpus=4,
        memory_bytes=8 * GIB,
        file_systems=tuple(file_system(path) for path in paths(Settings())),
        etcd_disk=DiskLatency("/var/lib/etcd", writes=1000, p50_ms=0.9, p99_ms=3.2),
        clock_source="tsc",
        clock_sources_available=("tsc", "kvm-clock", "acpi_pm"),
    )

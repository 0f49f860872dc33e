"""Processors, memory, file systems."""

from __future__ import annotations

from dataclasses import dataclass

from preflight.facts.model.known import Known


@dataclass(frozen=True)
class FileSystem:
    """The file system that will hold ``path`` (or does: its nearest existing parent).

    Sizes in bytes; ``available_bytes`` is what an unprivileged process may still write.
    ``ftype``: xfs only, whether directory entries carry their type; None elsewhere.
    """

    path: str
    mount_point: str
    device: str
    type: str
    options: tuple[str, ...]
    total_bytes: int
    available_bytes: int
    ftype: Known[bool | None] = None


@dataclass(frozen=True)
class DiskLatency:
    """fdatasync on the file system of ``path``: count and milliseconds."""

    path: str
    writes: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Hardware:
    """``cpus`` is what a process may use (affinity), as Go's runtime.NumCPU counts them."""

    cpus: Known[int]
    memory_bytes: Known[int]
    file_systems: Known[tuple[FileSystem, ...]]
    etcd_disk: Known[DiskLatency]
    clock_source: Known[str]
    clock_sources_available: tuple[str, ...] = ()

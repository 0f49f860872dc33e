"""Processors, memory, file systems."""

from __future__ import annotations

from preflight.facts.model.known import Known
from rules.record import field, record


@record
class FileSystem:
    """The file system that will hold ``path`` (or does: its nearest existing parent).

    Sizes in bytes; ``available_bytes`` is what an unprivileged process may still write.
    ``total_inodes`` is 0 where the file system makes them as needed.
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
    total_inodes: int = 0
    available_inodes: int = 0


@record
class DiskLatency:
    """fdatasync on the file system of ``path``: count and milliseconds."""

    path: str
    writes: int
    p50_ms: float
    p99_ms: float


@record
class Hardware:
    """``cpus`` is what a process may use (affinity), as Go's runtime.NumCPU counts them.

    ``file_systems`` in the order of ``preflight.facts.disks.paths``; one that did not answer is in
    ``file_systems_unknown``, path -> why.
    """

    cpus: Known[int]
    memory_bytes: Known[int]
    file_systems: Known[tuple[FileSystem, ...]]
    etcd_disk: Known[DiskLatency]
    clock_source: Known[str]
    clock_sources_available: tuple[str, ...] = ()
    file_systems_unknown: dict[str, str] = field(default_factory=dict)

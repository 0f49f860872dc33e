"""File systems below the paths of Kubernetes: space, type, options, and how fast they sync."""

from __future__ import annotations

import os
import threading
import time
from typing import Literal

from preflight.facts.host import Host, unreadable
from preflight.facts.model import Known, Unknown
from preflight.facts.model.hardware import DiskLatency, FileSystem
from preflight.facts.swap import unescape
from preflight.settings import Settings

PATHS = (
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/log",
    "/opt/cni/bin",
    "/usr/lib/cni",
    "/usr/libexec/cni",
    "/etc/kubernetes",
)
# A dead server of one of these blocks whoever asks; others answer from the kernel at once.
NETWORK_TYPES = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "9p",
        "ceph",
        "glusterfs",
        "fuse.glusterfs",
        "fuse.sshfs",
        "afs",
    }
)
_NETWORK_TIME_LIMIT_S = 1.0
# ioctl XFS_IOC_FSGEOMETRY_V4 of the kernel's fs/xfs/libxfs/xfs_fs.h: the structure has 112 bytes,
# its flags are the 32 bits at 92, and this bit says that directory entries carry a type.
_XFS_GEOMETRY, _XFS_GEOMETRY_BYTES, _XFS_FLAGS_AT, _XFS_FTYPE = 0x8070587C, 112, 92, 1 << 16
# What etcd writes: fio --bs=2300 --fdatasync=1, as https://etcd.io/docs/latest/op-guide/hardware/
# and the article it names have it.
WRITE_BYTES = 2300
WRITES = 1000
TIME_LIMIT_S = 10.0


def paths(settings: Settings) -> tuple[str, ...]:
    """The paths that a check may ask about."""
    return tuple(dict.fromkeys((settings.etcd.data_dir, *PATHS)))


def parse_mountinfo(text: str) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """/proc/self/mountinfo -> mount point -> (device, type, options); the topmost mount counts.

    The options of the mount and of the file system together, as a program feels both.
    """
    mounts = {}
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        row, rest = left.split(" "), right.split(" ")
        if not separator or len(row) < 6 or len(rest) < 2:
            continue
        options = (*row[5].split(","), *(rest[2].split(",") if len(rest) > 2 else ()))
        mounts[unescape(row[4])] = (unescape(rest[1]), rest[0], tuple(dict.fromkeys(options)))
    return mounts


def mount_point_of(path: str, points: set[str]) -> str:
    """The mount point that an absolute path without links is below."""
    while path not in points and path != "/":
        path = os.path.dirname(path)
    return path


def existing(path: str) -> str:
    """The path, its links followed, or its nearest parent that exists."""
    path = os.path.realpath(path)
    while not os.path.exists(path) and path != "/":
        path = os.path.dirname(path)
    return path


def parse_xfs_geometry(data: bytes) -> bool:
    """struct xfs_fsop_geom_v4 -> whether the file system was made with ftype=1."""
    flags = int.from_bytes(data[_XFS_FLAGS_AT : _XFS_FLAGS_AT + 4], _byte_order())
    return bool(flags & _XFS_FTYPE)


def _byte_order() -> Literal["little", "big"]:
    import sys

    return sys.byteorder


def read_file_systems(
    host: Host, settings: Settings
) -> tuple[Known[tuple[FileSystem, ...]], dict[str, str]]:
    """The file system of each path that answers, and why the others do not."""
    text = host.read("/proc/self/mountinfo")
    if isinstance(text, Unknown):
        return text, {}
    mounts = parse_mountinfo(text)
    found, silent = [], {}
    for path in paths(settings):
        answer = _file_system(path, mounts)
        if isinstance(answer, Unknown):
            silent[path] = answer.message
        else:
            found.append(answer)
    return tuple(found), silent


def _file_system(
    path: str, mounts: dict[str, tuple[str, str, tuple[str, ...]]]
) -> Known[FileSystem]:
    # Without looking at the path itself, which could block: links are followed only after.
    device, kind, _ = mounts.get(mount_point_of(path, set(mounts)), ("", "", ()))
    if kind in NETWORK_TYPES:
        thread = threading.Thread(target=os.path.exists, args=(path,), daemon=True)
        thread.start()
        thread.join(_NETWORK_TIME_LIMIT_S)
        if thread.is_alive():
            return Unknown("timeout", f"{device} on {path} does not answer")
    place = existing(path)
    point = mount_point_of(place, set(mounts))
    device, kind, options = mounts.get(point, ("", "", ()))
    try:
        space = os.statvfs(place)
    except OSError as error:
        return unreadable(place, error)
    return FileSystem(
        path=path,
        mount_point=point,
        device=device,
        type=kind,
        options=options,
        total_bytes=space.f_blocks * space.f_frsize,
        available_bytes=space.f_bavail * space.f_frsize,
        ftype=_xfs_ftype(place) if kind == "xfs" else None,
        total_inodes=space.f_files,
        available_inodes=space.f_favail,
    )


def _xfs_ftype(path: str) -> Known[bool | None]:
    import fcntl

    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return unreadable(path, error)
    try:
        data = fcntl.ioctl(opened, _XFS_GEOMETRY, bytes(_XFS_GEOMETRY_BYTES))
    except OSError as error:
        return Unknown("failed", f"{path} does not tell its xfs geometry: {error.strerror}")
    finally:
        os.close(opened)
    return parse_xfs_geometry(data)


def percentile(sorted_values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of the values do not exceed."""
    return sorted_values[max(0, -int(-len(sorted_values) * share // 1) - 1)]


def measure_latency(
    path: str, *, writes: int = WRITES, time_limit_s: float = TIME_LIMIT_S
) -> Known[DiskLatency]:
    """Writes and syncs a file without a name on the file system of ``path``.

    At most ``writes`` times, at most ``time_limit_s`` seconds; the file goes when it is closed,
    whatever happens to this process.
    """
    place = existing(path)
    try:
        file = _nameless_file(place)
    except PermissionError as error:
        return Unknown("denied", f"{place} may not be written: {error.strerror}")
    except OSError as error:
        return unreadable(place, error)
    data = os.urandom(WRITE_BYTES)
    taken: list[float] = []
    end = time.monotonic() + time_limit_s
    try:
        while len(taken) < writes and time.monotonic() < end:
            started = time.perf_counter()
            os.write(file, data)
            os.fdatasync(file)
            taken.append((time.perf_counter() - started) * 1000)
    except OSError as error:
        return Unknown("failed", f"{place} cannot be written: {error.strerror}")
    finally:
        os.close(file)
    taken.sort()
    return DiskLatency(
        path, len(taken), round(percentile(taken, 0.5), 3), round(percentile(taken, 0.99), 3)
    )


def _nameless_file(directory: str) -> int:
    try:
        return os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError:
        # File systems without O_TMPFILE: the name lives for an instant only.
        name = f"{directory}/.nodeprep-{os.getpid()}-{os.urandom(4).hex()}"
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.unlink(name)
        return file

"""Compiled code of earlier runs: one file for a build and an interpreter, in a directory of ours.

Code from a file is run, so nobody else may have written it: the directory and the file must belong
to this user, nobody else may write to them, and neither may be a link. All of that is asked of the
opened descriptors, so nothing can be exchanged in between. Whatever is not so, or fails (a
read-only or full disk, no home), costs time and nothing else: the sources are in the archive.
"""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import stat
import sys
import zlib
from collections.abc import Mapping
from types import CodeType

VARIABLE = "NODEPREP_CACHE_DIR"
# Root's is not below HOME, which sudo may leave to be another user's.
ROOT_PLACE = "/var/cache/nodeprep"
MAGIC = b"nodeprep code 1\n"
SUFFIX = ".code"
# Files that one directory keeps: some builds for some interpreters.
MOST_FILES = 8
# The code of everything in the archive is 6 MB.
LIMIT_BYTES = 64 * 1024 * 1024
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Cache:
    """The code that earlier runs of one build compiled with this interpreter.

    ``known``: module -> (whether it is a package, its marshalled code).
    """

    def __init__(self, directory: int, build: str) -> None:
        self.directory = directory
        self.name = _name(build)
        self.process = os.getpid()
        self.known: dict[str, tuple[bool, memoryview]] = {}
        with contextlib.suppress(OSError, ValueError, EOFError, TypeError):
            self.known = _unpacked(_read(directory, self.name), self.name)

    def save(self, fresh: Mapping[str, tuple[bool, CodeType]]) -> None:
        """Adds what was compiled, by rename; not from a forked child, which saw only a part."""
        if os.getpid() != self.process:
            return
        code = {name: (package, bytes(data)) for name, (package, data) in self.known.items()}
        code |= {name: (package, marshal.dumps(one)) for name, (package, one) in fresh.items()}
        temporary = f".{self.process}{SUFFIX}"
        # A full or read-only disk, a limit: the next run compiles again.
        with contextlib.suppress(OSError):
            try:
                _write(self.directory, temporary, _packed(code, self.name))
                os.rename(
                    temporary, self.name, src_dir_fd=self.directory, dst_dir_fd=self.directory
                )
            except BaseException:
                os.unlink(temporary, dir_fd=self.directory)
                raise
            _prune(self.directory)


def opened(build: str) -> Cache | None:
    """This user's cache for that build; None where there can be none that is safe."""
    place = location()
    if not place:
        return None
    try:
        return Cache(_directory(place), build)
    except OSError:
        return None


def location() -> str:
    """Where this user's cache is: absolute, or empty for nowhere."""
    if VARIABLE in os.environ:
        place = os.environ[VARIABLE]
    elif os.geteuid() != os.getuid():
        place = ""
    elif os.geteuid() == 0:
        place = ROOT_PLACE
    else:
        home = os.environ.get("HOME", "")
        place = os.path.join(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache", "nodeprep")
    return place if os.path.isabs(place) else ""


def _directory(place: str) -> int:
    """A descriptor of the directory, made where it is absent. Raises OSError: not safe."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(place, flags)
    except FileNotFoundError:
        if sys.dont_write_bytecode:
            raise
        os.makedirs(place, mode=0o700, exist_ok=True)
        descriptor = os.open(place, flags)
    if not _ours(os.fstat(descriptor)):
        os.close(descriptor)
        raise PermissionError(place)
    return descriptor if descriptor > 2 else _moved(descriptor)


def _moved(descriptor: int) -> int:
    """The same above the standard streams: one that is closed must not become this directory."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)


def _ours(seen: os.stat_result) -> bool:
    return seen.st_uid == os.geteuid() and not seen.st_mode & _OTHERS_MAY_WRITE


def _read(directory: int, name: str) -> bytes:
    """A file of the directory. Raises OSError where somebody else may have written it."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(name, flags, dir_fd=directory), "rb") as file:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode) or not _ours(seen) or seen.st_size > LIMIT_BYTES:
            raise PermissionError(name)
        return file.read(seen.st_size)


def _write(directory: int, name: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(name, flags, 0o600, dir_fd=directory), "wb") as file:
        file.write(data)
        file.flush()
        # Without it a power cut could leave the new name with nothing in it.
        os.fsync(file.fileno())


def _name(build: str) -> str:
    """After what the code depends on: the sources, and all of the interpreter that shapes it."""
    from importlib.util import MAGIC_NUMBER

    tag = sys.implementation.cache_tag
    return f"{build[:32]}-{tag}-{MAGIC_NUMBER.hex()}-{sys.flags.optimize}{SUFFIX}"


def _packed(code: Mapping[str, tuple[bool, bytes]], name: str) -> bytes:
    index, blobs, begin = {}, [], 0
    for module, (package, data) in sorted(code.items()):
        index[module] = (package, begin, begin + len(data))
        blobs.append(data)
        begin += len(data)
    head = marshal.dumps(index)
    body = len(head).to_bytes(4, "big") + head + b"".join(blobs)
    return _head(name) + zlib.crc32(body).to_bytes(4, "big") + body


def _head(name: str) -> bytes:
    return MAGIC + name.encode() + b"\n"


def _unpacked(data: bytes, name: str) -> dict[str, tuple[bool, memoryview]]:
    """The code in a file. Raises ValueError for a torn one, or one of something else."""
    head = _head(name)
    checksum = data[len(head) : len(head) + 4]
    body = memoryview(data)[len(head) + 4 :]
    if not data.startswith(head) or zlib.crc32(body) != int.from_bytes(checksum, "big"):
        raise ValueError("not this build's code")
    size = 4 + int.from_bytes(body[:4], "big")
    index = marshal.loads(body[4:size])  # noqa: S302  (a file that only this user can write)
    blobs = body[size:]
    return {one: (package, blobs[begin:end]) for one, (package, begin, end) in index.items()}


def _prune(directory: int) -> None:
    """Removes what was written longest ago, over the number that is kept."""
    names = [name for name in os.listdir(directory) if name.endswith(SUFFIX)]
    aged = sorted(
        names, key=lambda name: os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns
    )
    for name in aged[:-MOST_FILES]:
        os.unlink(name, dir_fd=directory)

"""Reading files that people name, and writing files that are whole at every moment."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys

from rules.errors import ConfigError

INPUT_LIMIT_BYTES = 32 * 1024 * 1024


def read_input(path: str, *, limit_bytes: int = INPUT_LIMIT_BYTES) -> str:
    """The text of a file that the operator named; ``-`` is standard input.

    Raises ConfigError for what is absent, refused, not a regular file (a device would hang or
    never end), over ``limit_bytes``, or not UTF-8.
    """
    if path == "-":
        data = sys.stdin.buffer.read(limit_bytes + 1)
        path = "standard input"
    else:
        data = _read_regular(path, limit_bytes)
    if len(data) > limit_bytes:
        raise ConfigError(path, f"is larger than {_size(limit_bytes)}, too large to be one of ours")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(path, "is not UTF-8 text; save it as UTF-8", line=line) from None


def _size(count: int) -> str:
    """``32 MiB``, ``256 KiB``."""
    return f"{count // 1024 // 1024} MiB" if count >= 1024 * 1024 else f"{count // 1024} KiB"


def _read_regular(path: str, limit_bytes: int) -> bytes:
    try:
        # O_NONBLOCK: opening a FIFO without a writer must not hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(path, f"cannot be read: {reason}") from None
    try:
        # Before anything wraps it: a directory can be opened, and must be closed again.
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            raise ConfigError(path, "is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            # read(limit) would first make room for the whole limit, which takes longer than the
            # reading; a size of 0 says nothing (/proc).
            data = stream.read(min(limit_bytes, seen.st_size) + 1) if seen.st_size else b""
            if len(data) != seen.st_size or not data:
                data += stream.read(limit_bytes + 1 - len(data))
            return data
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


# What write_atomic leaves where its process is killed meanwhile.
UNFINISHED = re.compile(r"\..+\.[0-9]+\.tmp", re.DOTALL)


def write_atomic(path: str | os.PathLike[str], text: str, *, mode: int = 0o600) -> None:
    """Writes ``text`` (UTF-8) to ``path`` by rename: a reader sees the old file or the new one.

    The directory must exist. The data is on the disk before the name is (fsync), so that a power
    cut leaves no empty file. Raises OSError; the temporary file is then removed.
    """
    target = os.fspath(path)
    directory, name = os.path.split(target)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(temporary, flags, mode), "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)  # whatever the umask is
            os.fsync(stream.fileno())
        os.replace(temporary, target)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(directory or ".")


def sync_directory(directory: str) -> None:
    """The entries of a directory are on the disk when this returns."""
    with contextlib.suppress(OSError):  # some file systems cannot; the rename stands all the same
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

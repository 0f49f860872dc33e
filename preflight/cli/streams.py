"""Standard streams that keep the contract whatever the shell made of them.

A closed or full standard output is one line and an exit code, a reader that went away is no
error, and no character that a locale does not know ends a run.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from rules.errors import NodeprepError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(NodeprepError):
    """What was to be printed cannot be written."""


class _Output(io.FileIO):
    """Standard output. Raises OutputError; a reader that went away (head, less) has enough."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise OutputError(f"standard output cannot be written: {error.strerror}") from None
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), self.fileno())
        return super().write(data)


class _Messages(io.FileIO):
    """Standard error. A message that nobody can read is no reason to fail."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def open_streams() -> None:
    """Replaces sys.stdin (where it is closed), sys.stdout and sys.stderr.

    Off a terminal, output is UTF-8 in every locale: JSON and YAML are read by programs. On a
    terminal it is in the terminal's encoding, with escapes for what that cannot show.
    """
    # Standard output gets what cannot be written, so that the loss is noticed.
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        _fill(descriptor, flags)
    # Typed as never None, and None where the descriptor was closed.
    if not isinstance(sys.stdin, io.TextIOBase):
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), "utf-8")
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout, line_buffering=False)
    sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr, line_buffering=True)


def _fill(descriptor: int, flags: int) -> None:
    """A closed descriptor would be given to the next file that is opened."""
    try:
        os.fstat(descriptor)
    except OSError:
        place = os.open(os.devnull, flags)
        if place != descriptor:
            os.dup2(place, descriptor)
            os.close(place)


def _text(raw: io.FileIO, before: TextIO | None, *, line_buffering: bool) -> io.TextIOWrapper:
    terminal = raw.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        before.encoding if terminal and before is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=terminal or line_buffering,
    )

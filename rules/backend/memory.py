"""Text for a program that wants a file: in memory, whole before the program starts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


class MemoryFiles:
    """Files without a name on any disk, for programs that inherit ``descriptors``.

    Never a pipe: a loader whose writer is killed would take half a ruleset for a whole one.
    """

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def add(self, text: str) -> str:
        """The path by which the program opens it."""
        descriptor = os.memfd_create("nodeprep")
        self.descriptors.append(descriptor)
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.write(text.encode())
        return f"/proc/self/fd/{descriptor}"


@contextlib.contextmanager
def memory_files() -> Iterator[MemoryFiles]:
    """A collection whose files are gone at the end."""
    files = MemoryFiles()
    try:
        yield files
    finally:
        for descriptor in files.descriptors:
            os.close(descriptor)

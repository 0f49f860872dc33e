"""What every command prints: one document or lines to stdout, words for a person to stderr."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rules.words import wrong_choice

FORMATS = ("text", "json", "yaml")


class Kept:
    """What a command would have printed: its ``documents``, and the lines that it ``said``."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.said: list[str] = []


_kept: ContextVar[Kept | None] = ContextVar("_kept", default=None)


@contextmanager
def keep() -> Iterator[Kept]:
    """For a command that is called by another one: nothing of this thread's is printed."""
    kept = Kept()
    token = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(token)


def check_format(output: str, formats: Collection[str] = FORMATS) -> None:
    """UsageError for a format that a command does not have, before anything is done."""
    if output not in formats:
        raise wrong_choice("-o", output, formats)


def write(document: dict[str, Any], lines: list[str], output: str) -> None:
    """The document, or the lines, to stdout."""
    if (kept := _kept.get()) is not None:
        kept.documents.append(document)
        return
    if output == "text":
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        return
    from preflight.report.document import render

    sys.stdout.write(render(document, output))


def say(line: str) -> None:
    """A line for a person, to stderr."""
    from preflight.report.plain import printable

    if (kept := _kept.get()) is not None:
        kept.said.append(printable(line))
        return
    print(f"nodeprep: {printable(line)}", file=sys.stderr)


def require_root(command: str) -> None:
    """CommandError ``denied`` for anybody else, before anything is done."""
    import os

    from rules.errors import CommandError

    if os.geteuid() != 0:
        raise CommandError("denied", f"{command} needs root: sudo {command}")

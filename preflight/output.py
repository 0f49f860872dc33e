"""What every command prints: one document or lines to stdout, words for a person to stderr."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

from rules.errors import UsageError

FORMATS = ("text", "json", "yaml")


def check_format(output: str, formats: Collection[str] = FORMATS) -> None:
    """UsageError for a format that a command does not have, before anything is done."""
    if output not in formats:
        raise UsageError(f"-o takes {', '.join(formats)}, not {output!r}")


def write(document: dict[str, Any], lines: list[str], output: str) -> None:
    """The document, or the lines, to stdout."""
    if output == "text":
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        return
    from preflight.report.document import render

    sys.stdout.write(render(document, output))


def say(line: str) -> None:
    """A line for a person, to stderr."""
    from preflight.report.plain import printable

    print(f"nodeprep: {printable(line)}", file=sys.stderr)


def require_root(command: str) -> None:
    """CommandError ``denied`` for anybody else, before anything is done."""
    import os

    from rules.errors import CommandError

    if os.geteuid() != 0:
        raise CommandError("denied", f"{command} needs root: sudo {command}")

"""The formats of a check report by name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from preflight.report.model import Report
from rules.words import wrong_choice

if TYPE_CHECKING:
    from preflight.report.picture import Picture

FORMATS = ("text", "json", "yaml", "junit", "sarif", "html")


def wants_colour(stream: TextIO) -> bool:
    """NO_COLOR beats FORCE_COLOR beats whether the stream is a terminal (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width(stream: TextIO) -> int:
    """Columns of the terminal behind a stream, 0 where it is none."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0


def check_format(form: str) -> None:
    """Raises UsageError for a format that does not exist: before the work, not after it."""
    if form not in FORMATS:
        raise wrong_choice("-o", form, FORMATS)


def render(
    report: Report,
    form: str,
    *,
    quiet: bool,
    verbose: bool,
    stream: TextIO,
    picture: Picture | None = None,
) -> str:
    """The report as text in ``form``; ``picture`` is what is shown of many nodes beside it: on a
    page, on a terminal, and in a pipe where ``verbose``.

    Raises UsageError for a format that does not exist."""
    check_format(form)
    if form == "text":
        from preflight.report import text

        return text.render(
            report,
            colour=wants_colour(stream),
            quiet=quiet,
            verbose=verbose,
            width=terminal_width(stream),
            picture=picture if verbose or (stream.isatty() and not quiet) else None,
        )
    if form in ("json", "yaml"):
        from preflight.report import document as writer

        return writer.render(report.document(), form)
    if form == "junit":
        from preflight.report import junit

        return junit.render(report)
    if form == "sarif":
        from preflight.report import sarif

        return sarif.render(report)
    from preflight.report import html

    return html.render(report, picture)

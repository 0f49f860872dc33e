"""A report to stdout, in the format that was asked for, and the exit code of its verdict."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preflight.report.model import Report
    from preflight.report.picture import Picture


def print_report(
    report: Report, output: str, *, quiet: bool, verbose: bool, picture: Picture | None = None
) -> int:
    """Prints it; raises UsageError for a format that does not exist."""
    from preflight.report.formats import render
    from preflight.report.model import EXIT_CODES

    text = render(report, output, quiet=quiet, verbose=verbose, stream=sys.stdout, picture=picture)
    sys.stdout.write(text)
    return EXIT_CODES[report.verdict]

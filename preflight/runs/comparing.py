"""What `nodeprep compare` and `nodeprep fleet report` share: flags, and cards judged as one."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rules.record import record

if TYPE_CHECKING:
    from preflight.fleet.card import Deck
    from preflight.fleet.compare import Comparison
    from preflight.report.fleet import CompareReport
    from preflight.report.picture import Picture
    from preflight.runs.stopwatch import Stopwatch


@record
class Flags:
    """As given. ``cluster``: empty for that of most cards; ``ignore`` and ``skip``: ids, with
    commas."""

    cluster: str
    ignore: str
    skip: str
    strict: bool
    output: str
    quiet: bool
    verbose: bool


@contextmanager
def uncollected() -> Iterator[None]:
    """For what is read and kept: cards hold no cycles, and the collector would look through all of
    them dozens of times."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


def compared(
    deck: Deck,
    comparisons: Mapping[str, Comparison],
    flags: Flags,
    watch: Stopwatch,
    notes: tuple[str, ...] = (),
) -> CompareReport:
    """The report of a deck. ``comparisons``: by the id of their check; ``watch``: of this run;
    ``notes``: as the report has them. Raises UsageError where a flag names a check that is none."""
    from preflight.checks.registry import registry
    from preflight.engine import Selection, run_comparisons
    from preflight.report.fleet import CompareReport
    from preflight.runs.judging import split

    selection = Selection(ignore=split(flags.ignore), skip=split(flags.skip))
    findings = run_comparisons(deck, comparisons, registry(), selection)
    return CompareReport(
        cluster=deck.cluster,
        nodes=tuple(item.label for item in deck.cards),
        started=watch.started,
        duration_ms=watch.ms,
        findings=tuple(findings),
        strict=flags.strict,
        notes=notes,
    )


def print_compared(report: CompareReport, flags: Flags, picture: Picture | None = None) -> int:
    """To stdout; the exit code of the verdict. ``picture``: for the formats that show one."""
    from preflight.runs.printed import print_report

    return print_report(
        report, flags.output, quiet=flags.quiet, verbose=flags.verbose, picture=picture
    )

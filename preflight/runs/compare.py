"""One run of `nodeprep compare`: cards, comparisons, report, exit code."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence

from rules.record import record


@record
class Request:
    """The flags of `nodeprep compare` as given. ``cluster``: empty for that of most cards."""

    places: Sequence[str]
    cluster: str
    ignore: str
    skip: str
    strict: bool
    output: str
    quiet: bool
    verbose: bool


def run_compare(request: Request) -> int:
    """Runs it and prints the report to stdout; the exit code of the verdict."""
    from preflight.checks.registry import registry
    from preflight.engine import Selection, run_comparisons
    from preflight.fleet.compare import COMPARISONS
    from preflight.fleet.deck import build
    from preflight.fleet.readcards import read_cards
    from preflight.report.fleet import CompareReport
    from preflight.report.formats import check_format
    from preflight.runs.check import split
    from preflight.runs.printed import print_report

    check_format(request.output)
    started, clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.perf_counter()
    # Cards hold no cycles, and the collector would look through all of them dozens of times.
    gc.disable()
    deck = build(*read_cards(request.places), cluster=request.cluster)
    gc.enable()
    gc.freeze()
    selection = Selection(ignore=split(request.ignore), skip=split(request.skip))
    findings = run_comparisons(deck, COMPARISONS, registry(), selection)
    report = CompareReport(
        cluster=deck.cluster,
        nodes=tuple(item.label for item in deck.cards),
        started=started,
        duration_ms=(time.perf_counter() - clock) * 1000,
        findings=tuple(findings),
        strict=request.strict,
    )
    return print_report(report, request.output, quiet=request.quiet, verbose=request.verbose)

"""One run of `nodeprep compare`: cards, comparisons, report, exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preflight.runs.comparing import Flags


def run_compare(places: Sequence[str], flags: Flags) -> int:
    """Prints the report of the cards there to stdout; the exit code of the verdict."""
    from preflight.fleet.compare import COMPARISONS
    from preflight.fleet.deck import build
    from preflight.fleet.readcards import read_cards
    from preflight.report.formats import check_format
    from preflight.runs.comparing import compared, print_compared, uncollected
    from preflight.runs.stopwatch import Stopwatch

    check_format(flags.output)
    watch = Stopwatch()
    with uncollected():
        deck = build(*read_cards(places), cluster=flags.cluster)
    return print_compared(compared(deck, COMPARISONS, flags, watch), flags)

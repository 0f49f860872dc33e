"""One run of `nodeprep fleet report`: what was gathered, judged as one."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from rules.record import record

if TYPE_CHECKING:
    from preflight.fleet.gathered import Gathered


@record
class Request:
    """The flags of `nodeprep fleet report` as given."""

    directory: str
    cluster: str
    ignore: str
    skip: str
    strict: bool
    output: str
    quiet: bool
    verbose: bool


def run_fleet_report(request: Request) -> int:
    """Prints the report to stdout; the exit code of the verdict."""
    from preflight.checks.registry import registry
    from preflight.engine import Selection, run_comparisons
    from preflight.fleet import answer
    from preflight.fleet.compare import COMPARISONS
    from preflight.fleet.deck import build
    from preflight.fleet.gathered import gather
    from preflight.report.fleet import CompareReport
    from preflight.report.formats import check_format
    from preflight.report.picture import Picture
    from preflight.runs.check import split
    from preflight.runs.printed import print_report

    check_format(request.output)
    started, clock = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), time.perf_counter()
    # Nothing here holds cycles, and the collector would look through all of it dozens of times.
    gc.disable()
    gathered = gather(request.directory)
    deck = build(gathered.filed, gathered.misfits, cluster=request.cluster)
    probes = answer.sort(gathered, deck)
    comparisons = dict(COMPARISONS)
    if gathered.probes or gathered.probers:
        comparisons["peer-reachable"] = lambda deck: answer.reach(gathered, probes, deck)
        # Measured clocks say more than cards do.
        comparisons["clocks-agree"] = lambda _: answer.clocks(probes.plain)
    selection = Selection(ignore=split(request.ignore), skip=split(request.skip))
    findings = run_comparisons(deck, comparisons, registry(), selection)
    report = CompareReport(
        cluster=deck.cluster,
        nodes=tuple(item.label for item in deck.cards),
        started=started,
        duration_ms=(time.perf_counter() - clock) * 1000,
        findings=tuple(findings),
        strict=request.strict,
        notes=_notes(gathered),
    )
    picture = Picture(
        deck, answer.cells(probes.every), answer.role_ports(probes.plain), report.notes
    )
    return print_report(
        report, request.output, quiet=request.quiet, verbose=request.verbose, picture=picture
    )


def _notes(gathered: Gathered) -> tuple[str, ...]:
    """What a sampled run may have missed."""
    from preflight.fleet.sampling import ALL_PAIRS, RACK, Plan, odds
    from rules.cluster import Role

    if gathered.plan is None:
        return ()
    k, seed = gathered.plan
    planes = (Role.MASTER.value, Role.MULTI_MASTER.value)
    masters = sum(item.card.role in planes for item in gathered.filed)
    count = len(gathered.filed)
    if count <= ALL_PAIRS:
        return (f"All pairs of {count} nodes were to be probed.",)
    found = odds(Plan(count, masters, k, seed, ()), rack_size=RACK)
    return (
        f"Sampled: each node probes every master and {k} others (seed {seed}). Such a plan misses "
        f"one broken pair of workers with probability {found.pair:.4g}, a worker that no other "
        f"reaches with {found.node:.2g}, a rack of {RACK} that reaches no other rack of them with "
        f"{found.rack:.2g}.",
    )

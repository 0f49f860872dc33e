"""One run of `nodeprep fleet report`: what was gathered, judged as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preflight.fleet.gathered import Gathered
    from preflight.runs.comparing import Flags


def run_fleet_report(directory: str, flags: Flags) -> int:
    """Prints the report of what was gathered there to stdout; the exit code of the verdict."""
    from preflight.fleet import answer
    from preflight.fleet.compare import COMPARISONS
    from preflight.fleet.deck import build
    from preflight.fleet.gathered import gather
    from preflight.report.formats import check_format
    from preflight.report.picture import Picture
    from preflight.runs.comparing import compared, print_compared, uncollected
    from preflight.runs.stopwatch import Stopwatch

    check_format(flags.output)
    watch = Stopwatch()
    with uncollected():
        gathered = gather(directory)
        deck = build(gathered.filed, gathered.misfits, cluster=flags.cluster)
        probes = answer.sort(gathered, deck)
    comparisons = dict(COMPARISONS)
    if gathered.probes or gathered.probers:
        comparisons["peer-reachable"] = lambda deck: answer.reach(gathered, probes, deck)
        # Measured clocks say more than cards do.
        comparisons["clocks-agree"] = lambda _: answer.clocks(probes.plain)
    report = compared(deck, comparisons, flags, watch, _notes(gathered))
    picture = Picture(
        deck, answer.cells(probes.every), answer.role_ports(probes.plain), report.notes
    )
    return print_compared(report, flags, picture)


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

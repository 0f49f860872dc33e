"""`nodeprep fleet`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from preflight.cli.judged import takes_judging
from preflight.cli.options import CardsArgument, ClusterOption, DocumentOption

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback()
def fleet() -> None:
    """Many nodes as one: what was gathered of them, judged and shown."""


@app.command()
@takes_judging
def report(
    *,
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="Cards and probe reports, *.json of both.")
    ],
    flags: dict[str, Any],
) -> int:
    """Make the answer of a whole run: cards compared, and who reaches whom.

    Exit: 0 all is well, 1 it is not, 2 wrong usage, 3 undetermined.
    """
    from preflight.runs.comparing import Flags
    from preflight.runs.fleet_report import run_fleet_report

    return run_fleet_report(directory, Flags(**flags))


@app.command()
def plan(
    cards: CardsArgument,
    cluster: ClusterOption = "",
    k: Annotated[
        int, typer.Option("-k", metavar="K", help="How many others each node probes.")
    ] = 10,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same plan.")] = 0,
    output: DocumentOption = "json",
) -> int:
    """Say who is to probe whom: all pairs up to 50 nodes, above that every master and K others.

    Also how likely such a plan misses a broken pair, a broken node, a broken rack.
    """
    from preflight.runs.fleet_plan import Request, run_plan

    return run_plan(Request(tuple(cards), cluster, k, seed, output))

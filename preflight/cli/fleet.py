"""`nodeprep fleet`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback()
def fleet() -> None:
    """Many nodes as one: what was gathered of them, judged and shown."""


@app.command()
def report(
    directory: Annotated[
        str, typer.Argument(metavar="DIR", help="Cards and probe reports, *.json of both.")
    ],
    cluster: Annotated[
        str, typer.Option(metavar="NAME", help="Which cluster's cards [that of most cards].")
    ] = "",
    ignore: Annotated[
        str, typer.Option(metavar="ID,..", help="Run and print, but do not count.")
    ] = "",
    skip: Annotated[str, typer.Option(metavar="ID,..", help="Do not run.")] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="A warning counts as a failure.")
    ] = False,
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FORMAT", help="text, json, yaml, junit, sarif or html."
        ),
    ] = "text",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only what needs doing.")] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Everything that was seen.")
    ] = False,
) -> int:
    """Make the answer of a whole run: cards compared, and who reaches whom.

    Exit: 0 all is well, 1 it is not, 2 wrong usage, 3 undetermined.
    """
    from preflight.runs.fleet_report import Request, run_fleet_report

    return run_fleet_report(
        Request(
            directory=directory,
            cluster=cluster,
            ignore=ignore,
            skip=skip,
            strict=strict,
            output=output,
            quiet=quiet,
            verbose=verbose,
        )
    )


@app.command()
def plan(
    cards: Annotated[
        list[str],
        typer.Argument(metavar="CARD...", help="Files, directories of *.json, or - for stdin."),
    ],
    cluster: Annotated[
        str, typer.Option(metavar="NAME", help="Which cluster's cards [that of most cards].")
    ] = "",
    k: Annotated[
        int, typer.Option("-k", metavar="K", help="How many others each node probes.")
    ] = 10,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same plan.")] = 0,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FORMAT", help="json or yaml.")
    ] = "json",
) -> int:
    """Say who is to probe whom: all pairs up to 50 nodes, above that every master and K others.

    Also how likely such a plan misses a broken pair, a broken node, a broken rack.
    """
    from preflight.runs.fleet_plan import Request, run_plan

    return run_plan(Request(tuple(cards), cluster, k, seed, output))

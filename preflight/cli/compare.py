"""`nodeprep compare`."""

from __future__ import annotations

import typer

from preflight.cli.options import (
    CardsArgument,
    ClusterOption,
    IgnoreOption,
    QuietOption,
    ReportOption,
    SkipOption,
    StrictOption,
    VerboseOption,
)

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def compare(
    cards: CardsArgument,
    cluster: ClusterOption = "",
    ignore: IgnoreOption = "",
    skip: SkipOption = "",
    strict: StrictOption = False,
    output: ReportOption = "text",
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> int:
    """Compare the cards of many nodes: clones, disagreements, overlaps, missing roles.

    A node's card comes from: nodeprep facts --card --role ROLE > NODE.json

    Exit: 0 they fit together, 1 they do not, 2 wrong usage, 3 undetermined.
    """
    from preflight.runs.compare import run_compare
    from preflight.runs.comparing import Flags

    return run_compare(cards, Flags(cluster, ignore, skip, strict, output, quiet, verbose))

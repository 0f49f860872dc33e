"""`nodeprep compare`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def compare(
    cards: Annotated[
        list[str],
        typer.Argument(metavar="CARD...", help="Files, directories of *.json, or - for stdin."),
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
    """Compare the cards of many nodes: clones, disagreements, overlaps, missing roles.

    A node's card comes from: nodeprep facts --card --role ROLE > NODE.json

    Exit: 0 they fit together, 1 they do not, 2 wrong usage, 3 undetermined.
    """
    from preflight.runs.compare import Request, run_compare

    return run_compare(
        Request(
            places=cards,
            cluster=cluster,
            ignore=ignore,
            skip=skip,
            strict=strict,
            output=output,
            quiet=quiet,
            verbose=verbose,
        )
    )

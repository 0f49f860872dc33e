"""`nodeprep compare`."""

from __future__ import annotations

from typing import Any

import typer

from preflight.cli.judged import takes_judging
from preflight.cli.options import CardsArgument

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@takes_judging
def compare(
    *,
    cards: CardsArgument,
    flags: dict[str, Any],
) -> int:
    """Compare the cards of many nodes: clones, disagreements, overlaps, missing roles.

    A node's card comes from: nodeprep facts --card --role ROLE > NODE.json

    Exit: 0 they fit together, 1 they do not, 2 wrong usage, 3 undetermined.
    """
    from preflight.runs.compare import run_compare
    from preflight.runs.comparing import Flags

    return run_compare(cards, Flags(**flags))

"""`nodeprep cni profiles`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.options import ConfigOption, OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("profiles")(profiles)


def profiles(
    name: Annotated[
        str, typer.Argument(metavar="NAME[/MODE]", help="One product, judged on this node.")
    ] = "",
    config: ConfigOption = "",
    output: OutputOption = "text",
) -> int:
    """List what pod network products lay down and need; of one, whether it is so here.

    Exit: 0 all of it is so, 1 something is not, 2 wrong usage, 3 undetermined.
    """
    from preflight.runs.cni_profiles import run_profiles

    return run_profiles(name=name, config=config, output=output)

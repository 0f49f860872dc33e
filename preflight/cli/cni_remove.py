"""`nodeprep cni remove`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.firewalloptions import DiffOption
from preflight.cli.options import DryRunOption, OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("remove")(remove)


def remove(
    force: Annotated[
        bool, typer.Option("--force", help="Even with pods on the bridge, or changed files.")
    ] = False,
    dry_run: DryRunOption = False,
    diff: DiffOption = False,
    output: OutputOption = "text",
) -> int:
    """Undo what `cni install` changed on this host, byte for byte.

    Exit: 0 done, 1 refused or not all undone, 2 wrong usage, 3 undetermined.
    """
    from preflight.runs.cni_install import run_remove

    return run_remove(force=force, dry_run=dry_run, diff=diff, output=output)

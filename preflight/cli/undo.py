"""`nodeprep undo`."""

from __future__ import annotations

import typer

from preflight.cli.fix import DiffOption, ForceOption
from preflight.cli.options import DryRunOption, OutputOption

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def undo(
    dry_run: DryRunOption = False,
    diff: DiffOption = False,
    force: ForceOption = False,
    output: OutputOption = "text",
) -> int:
    """Take the last run of fix back, byte for byte.

    Exit: 0 done, or nothing to undo; 1 refused, or something of it could not be taken back.
    """
    from preflight.runs.undo import Request, run_undo

    return run_undo(Request(dry_run=dry_run, diff=diff, force=force, output=output))

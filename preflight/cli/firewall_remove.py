"""`nodeprep firewall remove`."""

from __future__ import annotations

import typer

from preflight.cli.firewalloptions import ConfirmWithinOption, DiffOption, ForceOption
from preflight.cli.options import DryRunOption, OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("remove")(remove)


def remove(
    confirm_within: ConfirmWithinOption = 0,
    dry_run: DryRunOption = False,
    diff: DiffOption = False,
    force: ForceOption = False,
    output: OutputOption = "text",
) -> int:
    """Take away everything of nodeprep's, in every packet filter, and nothing else.

    Exit: 0 done, or nothing to do; 1 where it had to be rolled back.
    """
    from preflight.runs.firewall_manage import run_remove

    return run_remove(
        confirm_within_s=confirm_within, dry_run=dry_run, diff=diff, force=force, output=output
    )

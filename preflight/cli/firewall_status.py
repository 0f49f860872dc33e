"""`nodeprep firewall status`."""

from __future__ import annotations

import typer

from preflight.cli.options import OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("status")(status)


def status(output: OutputOption = "text") -> int:
    """Show what is in force, since when, and whether somebody changed it.

    Exit: 0 as it was applied, or nothing applied; 1 where it is not; 3 where it cannot be told.
    """
    from preflight.runs.firewall_manage import run_status

    return run_status(output=output)

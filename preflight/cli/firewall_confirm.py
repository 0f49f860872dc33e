"""`nodeprep firewall confirm`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.options import OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("confirm")(confirm)


def confirm(
    force: Annotated[
        bool, typer.Option("--force", help="Even from the connection that applied it.")
    ] = False,
    output: OutputOption = "text",
) -> int:
    """Say, from a new connection, that the new rules work: they stay, and come back at boot.

    Exit: 0 confirmed, or nothing to confirm; 1 where they have been rolled back.
    """
    from preflight.runs.firewall_manage import run_confirm

    return run_confirm(force=force, output=output)

"""`nodeprep firewall rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.options import OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("rollback")(rollback)


def rollback(
    pending: Annotated[
        str, typer.Option(metavar="ID", hidden=True, help="Only this change; else do nothing.")
    ] = "",
    output: OutputOption = "text",
) -> int:
    """Put back at once what an unconfirmed change replaced.

    Exit: 0 rolled back, 1 where nothing is pending.
    """
    from preflight.runs.firewall_manage import run_rollback

    return run_rollback(pending_id=pending, output=output)

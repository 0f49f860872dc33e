"""`nodeprep ports`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.configured import takes_configuration
from preflight.cli.options import ReferenceOption, RoleOption, parse_role

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@takes_configuration
def ports(
    *,
    role: RoleOption = "",
    every: Annotated[
        bool, typer.Option("--all", help="Also the rows that only some clusters need.")
    ] = False,
    flags: dict[str, str],
    output: ReferenceOption = "text",
) -> int:
    """List the ports and protocols that a role needs, with their reasons.

    Without --role: the whole matrix, for every role, Kubernetes version and pod network.
    """
    from preflight.runs.ports import run_ports

    return run_ports(
        role=parse_role(role) if role else None,
        **flags,
        optional=every,
        output=output,
    )

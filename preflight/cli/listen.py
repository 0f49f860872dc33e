"""`nodeprep listen`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.configured import takes_configuration
from preflight.cli.options import OutputOption, RoleOption, parse_role

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
@takes_configuration
def listen(
    *,
    role: RoleOption,
    key: Annotated[
        str, typer.Option(metavar="FILE", help="The run's key [STATE/probe/key, made if absent].")
    ] = "",
    seconds: Annotated[int, typer.Option(metavar="N", help="Stop after this time.")] = 300,
    flags: dict[str, str],
    output: OutputOption = "text",
) -> int:
    """Listen on a role's real ports, TCP and UDP, and answer nodeprep probe.

    Says nothing to anyone without the key, leaves the packet filter as it is and every port that
    is in use to its holder, and stops by itself.

    Exit: 0 it listened, 1 no port could be bound, 2 wrong usage or configuration.
    """
    from preflight.runs.listen import Request, run_listen

    return run_listen(
        Request(
            role=parse_role(role),
            key=key,
            seconds=seconds,
            **flags,
            output=output,
        )
    )

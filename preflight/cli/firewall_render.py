"""`nodeprep firewall render`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from preflight.cli.configured import policy_request, takes_policy
from preflight.cli.options import OutputOption, RoleOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("render")(takes_policy(render))


def render(
    *,
    role: RoleOption,
    backend: Annotated[
        str, typer.Option(metavar="TARGET", help="nftables, iptables, ip6tables, firewalld or ufw.")
    ] = "nftables",
    posture: Annotated[
        str,
        typer.Option(
            metavar="POSTURE", help="allow: open what is needed. enforce: also deny the rest."
        ),
    ] = "allow",
    file: Annotated[
        str, typer.Option(metavar="NAME", help="Only this one of several files, to the byte.")
    ] = "",
    commands: Annotated[
        bool, typer.Option("--commands", help="The target's own commands instead of its files.")
    ] = False,
    policy: dict[str, Any],
    output: OutputOption = "text",
) -> int:
    """Print the rules that a role needs, to the byte as they would be loaded.

    Changes nothing and needs no root.
    """
    from preflight.runs.firewall_render import run_render

    return run_render(
        policy_request(role, policy),
        target=backend,
        posture=posture,
        file=file,
        commands=commands,
        output=output,
    )

"""`nodeprep firewall verify`."""

from __future__ import annotations

from typing import Any

import typer

from preflight.cli.configured import policy_request, takes_policy
from preflight.cli.firewalloptions import BackendOption, PostureOption
from preflight.cli.options import OutputOption, RoleOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("verify")(takes_policy(verify))


def verify(
    *,
    role: RoleOption,
    posture: PostureOption = "allow",
    backend: BackendOption = "auto",
    policy: dict[str, Any],
    output: OutputOption = "text",
) -> int:
    """Compare what is in force with what the policy asks for.

    Exit: 0 as asked, 1 not, 3 where it cannot be told.
    """
    from preflight.firewall.request import Wanted
    from preflight.runs.firewall_apply import run_verify

    wanted = Wanted(
        policy=policy_request(role, policy),
        posture=posture,
        backend=backend,
    )
    return run_verify(wanted, output=output)

"""`nodeprep firewall plan`."""

from __future__ import annotations

from typing import Any

import typer

from preflight.cli.configured import policy_request, takes_policy
from preflight.cli.firewalloptions import BackendOption, DiffOption, PostureOption
from preflight.cli.options import OutputOption, RoleOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("plan")(takes_policy(plan))


def plan(
    *,
    role: RoleOption,
    posture: PostureOption = "allow",
    backend: BackendOption = "auto",
    diff: DiffOption = False,
    policy: dict[str, Any],
    output: OutputOption = "text",
) -> int:
    """Show what apply would change on this host; change nothing.

    Exit: 0 also where there is something to change, 1 where apply would refuse it.
    """
    from preflight.firewall.request import Wanted
    from preflight.runs.firewall_apply import run_plan

    wanted = Wanted(
        policy=policy_request(role, policy),
        posture=posture,
        backend=backend,
    )
    return run_plan(wanted, diff=diff, output=output)

"""`nodeprep firewall apply`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from preflight.cli.configured import policy_request, takes_policy
from preflight.cli.firewalloptions import (
    BackendOption,
    ConfirmWithinOption,
    DiffOption,
    ForceOption,
    PostureOption,
)
from preflight.cli.options import DryRunOption, OutputOption, RoleOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("apply")(takes_policy(apply))


def apply(
    *,
    role: RoleOption,
    posture: PostureOption = "allow",
    backend: BackendOption = "auto",
    confirm_within: ConfirmWithinOption = 60,
    wait: Annotated[
        bool, typer.Option("--wait", help="End when it is confirmed (0) or rolled back (1).")
    ] = False,
    dry_run: DryRunOption = False,
    diff: DiffOption = False,
    force: ForceOption = False,
    policy: dict[str, Any],
    output: OutputOption = "text",
) -> int:
    """Put a role's rules in force, with a rollback armed before.

    Then confirm from a new connection; without that, the old rules come back. Exit: 0 done, or
    nothing to do; 1 refused or rolled back.
    """
    from preflight.firewall.request import Wanted
    from preflight.runs.firewall_apply import run_apply

    wanted = Wanted(
        policy=policy_request(role, policy),
        posture=posture,
        backend=backend,
    )
    return run_apply(
        wanted,
        confirm_within_s=confirm_within,
        wait=wait,
        dry_run=dry_run,
        diff=diff,
        force=force,
        output=output,
    )

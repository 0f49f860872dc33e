"""`nodeprep firewall plan`."""

from __future__ import annotations

import typer

from preflight.cli.firewalloptions import BackendOption, DiffOption, PostureOption
from preflight.cli.options import (
    CniOption,
    ConfigOption,
    KubeadmConfigOption,
    OutputOption,
    RoleOption,
    SourceOption,
    VersionOption,
    parse_role,
)


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("plan")(plan)


def plan(
    role: RoleOption,
    posture: PostureOption = "allow",
    backend: BackendOption = "auto",
    diff: DiffOption = False,
    source: SourceOption = None,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    kubernetes_version: VersionOption = "",
    cni: CniOption = "",
    output: OutputOption = "text",
) -> int:
    """Show what apply would change on this host; change nothing.

    Exit: 0 also where there is something to change, 1 where apply would refuse it.
    """
    from preflight.firewall.policy import PolicyRequest
    from preflight.firewall.request import Wanted
    from preflight.runs.firewall_apply import run_plan

    wanted = Wanted(
        policy=PolicyRequest(
            role=parse_role(role),
            config=config,
            kubeadm_config=kubeadm_config,
            kubernetes_version=kubernetes_version,
            cni=cni,
            sources=tuple(source or ()),
        ),
        posture=posture,
        backend=backend,
    )
    return run_plan(wanted, diff=diff, output=output)

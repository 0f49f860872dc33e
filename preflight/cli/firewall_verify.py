"""`nodeprep firewall verify`."""

from __future__ import annotations

import typer

from preflight.cli.firewalloptions import BackendOption, PostureOption
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
    app.command("verify")(verify)


def verify(
    role: RoleOption,
    posture: PostureOption = "allow",
    backend: BackendOption = "auto",
    source: SourceOption = None,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    kubernetes_version: VersionOption = "",
    cni: CniOption = "",
    output: OutputOption = "text",
) -> int:
    """Compare what is in force with what the policy asks for.

    Exit: 0 as asked, 1 not, 3 where it cannot be told.
    """
    from preflight.firewall.policy import PolicyRequest
    from preflight.firewall.request import Wanted
    from preflight.runs.firewall_apply import run_verify

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
    return run_verify(wanted, output=output)

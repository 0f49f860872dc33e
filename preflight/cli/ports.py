"""`nodeprep ports`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.options import (
    CniOption,
    ConfigOption,
    KubeadmConfigOption,
    ReferenceOption,
    RoleOption,
    VersionOption,
    parse_role,
)

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def ports(
    role: RoleOption = "",
    every: Annotated[
        bool, typer.Option("--all", help="Also the rows that only some clusters need.")
    ] = False,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    kubernetes_version: VersionOption = "",
    cni: CniOption = "",
    output: ReferenceOption = "text",
) -> int:
    """List the ports and protocols that a role needs, with their reasons.

    Without --role: the whole matrix, for every role, Kubernetes version and pod network.
    """
    from preflight.runs.ports import run_ports

    return run_ports(
        role=parse_role(role) if role else None,
        config=config,
        kubeadm_config=kubeadm_config,
        kubernetes_version=kubernetes_version,
        cni=cni,
        optional=every,
        output=output,
    )

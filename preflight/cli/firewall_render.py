"""`nodeprep firewall render`."""

from __future__ import annotations

from typing import Annotated

import typer

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
    app.command("render")(render)


def render(
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
    source: SourceOption = None,
    file: Annotated[
        str, typer.Option(metavar="NAME", help="Only this one of several files, to the byte.")
    ] = "",
    commands: Annotated[
        bool, typer.Option("--commands", help="The target's own commands instead of its files.")
    ] = False,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    kubernetes_version: VersionOption = "",
    cni: CniOption = "",
    output: OutputOption = "text",
) -> int:
    """Print the rules that a role needs, to the byte as they would be loaded.

    Changes nothing and needs no root.
    """
    from preflight.firewall.policy import PolicyRequest
    from preflight.runs.firewall_render import run_render

    return run_render(
        PolicyRequest(
            role=parse_role(role),
            config=config,
            kubeadm_config=kubeadm_config,
            kubernetes_version=kubernetes_version,
            cni=cni,
            sources=tuple(source or ()),
        ),
        target=backend,
        posture=posture,
        file=file,
        commands=commands,
        output=output,
    )

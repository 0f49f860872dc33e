"""`nodeprep firewall prove`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.firewalloptions import PostureOption
from preflight.cli.options import (
    CniOption,
    ConfigOption,
    KubeadmConfigOption,
    OutputOption,
    SourceOption,
    VersionOption,
    parse_role,
)


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("prove")(prove)


def prove(
    role: Annotated[
        str,
        typer.Option(
            envvar="NODEPREP_ROLE",
            show_envvar=False,
            metavar="ROLE",
            help="master, worker, multi-master or etcd.",
        ),
    ] = "",
    backend: Annotated[
        str,
        typer.Option(metavar="BACKEND", help="nftables, iptables-nft or iptables-legacy."),
    ] = "nftables",
    posture: PostureOption = "enforce",
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Every role, pod network, backend and posture, in a sample cluster (minutes).",
        ),
    ] = False,
    source: SourceOption = None,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    kubernetes_version: VersionOption = "",
    cni: CniOption = "",
    output: OutputOption = "text",
) -> int:
    """Send every port and protocol through the rules, in a namespace, and compare.

    Nothing of this host changes; no root is needed where user namespaces are allowed.
    Exit: 0 the rules let through exactly what the policy admits, 1 they do not.
    """
    from preflight.firewall.policy import PolicyRequest
    from preflight.runs.firewall_prove import run_prove, run_prove_all
    from rules.errors import UsageError

    if every:
        if any((role, source, config, kubeadm_config, kubernetes_version, cni)):
            raise UsageError("--all has a cluster of its own; it goes with -o alone")
        return run_prove_all(output=output)
    if not role:
        raise UsageError("--role is missing; without it, --all proves every role")
    request = PolicyRequest(
        role=parse_role(role),
        config=config,
        kubeadm_config=kubeadm_config,
        kubernetes_version=kubernetes_version,
        cni=cni,
        sources=tuple(source or ()),
    )
    return run_prove(request, backend=backend, posture=posture, output=output)

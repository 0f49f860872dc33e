"""`nodeprep firewall prove`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from preflight.cli.configured import policy_request, takes_policy
from preflight.cli.firewalloptions import PostureOption
from preflight.cli.options import OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("prove")(takes_policy(prove))


def prove(
    *,
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
    policy: dict[str, Any],
    output: OutputOption = "text",
) -> int:
    """Send every port and protocol through the rules, in a namespace, and compare.

    Nothing of this host changes; no root is needed where user namespaces are allowed.
    Exit: 0 the rules let through exactly what the policy admits, 1 they do not.
    """
    from preflight.runs.firewall_prove import run_prove, run_prove_all
    from rules.errors import UsageError

    if every:
        if any((role, *policy.values())):
            raise UsageError("--all has a cluster of its own; it goes with -o alone")
        return run_prove_all(output=output)
    if not role:
        raise UsageError("--role is missing; without it, --all proves every role")
    return run_prove(policy_request(role, policy), backend=backend, posture=posture, output=output)

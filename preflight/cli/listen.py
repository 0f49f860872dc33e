"""`nodeprep listen`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.options import (
    CniOption,
    ConfigOption,
    KubeadmConfigOption,
    OutputOption,
    RoleOption,
    VersionOption,
    parse_role,
)

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def listen(
    role: RoleOption,
    key: Annotated[
        str, typer.Option(metavar="FILE", help="The run's key [STATE/probe/key, made if absent].")
    ] = "",
    seconds: Annotated[int, typer.Option(metavar="N", help="Stop after this time.")] = 300,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    kubernetes_version: VersionOption = "",
    cni: CniOption = "",
    output: OutputOption = "text",
) -> int:
    """Listen on a role's real ports, TCP and UDP, and answer nodeprep probe.

    Says nothing to anyone without the key, leaves the packet filter as it is and every port that
    is in use to its holder, and stops by itself.

    Exit: 0 it listened, 1 no port could be bound, 2 wrong usage or configuration.
    """
    from preflight.runs.listen import Request, run_listen

    return run_listen(
        Request(
            role=parse_role(role),
            key=key,
            seconds=seconds,
            config=config,
            kubeadm_config=kubeadm_config,
            kubernetes_version=kubernetes_version,
            cni=cni,
            output=output,
        )
    )

"""`nodeprep facts`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.options import (
    CniOption,
    ConfigOption,
    DeepOption,
    DocumentOption,
    KubeadmConfigOption,
    OfflineOption,
    RoleOption,
    VersionOption,
    parse_role,
)

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def facts(
    card: Annotated[
        bool, typer.Option("--card", help="Only what other nodes' cards are compared with.")
    ] = False,
    role: RoleOption = "",
    output: DocumentOption = "json",
    offline: OfflineOption = False,
    deep: DeepOption = False,
    facts: Annotated[
        str, typer.Option(metavar="FILE", help="With --card: of saved facts, not this machine.")
    ] = "",
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    kubernetes_version: VersionOption = "",
    cni: CniOption = "",
) -> int:
    """Print everything that the checks read of this machine.

    Judge it elsewhere with: nodeprep check --role ROLE --facts FILE

    With --card: the node's card, to be compared with those of the others by nodeprep compare.
    """
    from preflight.runs.facts import Request, run_facts

    return run_facts(
        Request(
            card=card,
            role=parse_role(role) if role else None,
            output=output,
            offline=offline,
            deep=deep,
            facts=facts,
            config=config,
            kubeadm_config=kubeadm_config,
            kubernetes_version=kubernetes_version,
            cni=cni,
        )
    )

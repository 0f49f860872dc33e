"""`nodeprep facts`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.options import CniOption, ConfigOption, KubeadmConfigOption

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def facts(
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FORMAT", help="json or yaml.")
    ] = "json",
    offline: Annotated[bool, typer.Option("--offline", help="Send no packet.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Also measure: etcd's disk.")] = False,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    cni: CniOption = "",
) -> int:
    """Print everything that the checks read of this machine.

    Judge it elsewhere with: nodeprep check --role ROLE --facts FILE
    """
    import sys

    from preflight import config as configuration
    from preflight.facts.collect import collect
    from preflight.facts.host import Host
    from preflight.facts.store import document
    from preflight.report.document import render
    from rules.errors import UsageError

    if output not in ("json", "yaml"):
        raise UsageError(f"-o takes json or yaml, not {output!r}")
    settings = configuration.load(config=config, kubeadm_config=kubeadm_config, cni=cni)
    configuration.print_warnings(settings)
    sys.stdout.write(render(document(collect(Host(offline=offline, deep=deep), settings)), output))
    return 0

"""`nodeprep cni install`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from preflight.cli.cninetwork import takes_network
from preflight.cli.cnioptions import ConfDirOption
from preflight.cli.firewalloptions import DiffOption
from preflight.cli.options import DryRunOption, OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("install")(takes_network(install))


def install(
    network: dict[str, Any],
    conf_dir: ConfDirOption = "",
    layout: Annotated[
        str, typer.Option(metavar="NAME", help="cri-dockerd, podman, rkt or mesos [as found].")
    ] = "",
    archive: Annotated[
        str,
        typer.Option(metavar="FILE|URL|v1.2.3", help="Plugins of a release, checked by sha256."),
    ] = "",
    sha256: Annotated[
        str, typer.Option("--sha256", metavar="HEX", help="Of an archive that is no release.")
    ] = "",
    package: Annotated[
        bool, typer.Option("--package", help="Install the distribution's plugins first.")
    ] = False,
    displace: Annotated[
        bool, typer.Option("--displace", help="Put aside configurations that would win.")
    ] = False,
    routes: Annotated[
        str,
        typer.Option(metavar="BY", help="At boot: unit, networkd, networkmanager or netplan."),
    ] = "unit",
    dry_run: DryRunOption = False,
    diff: DiffOption = False,
    output: OutputOption = "text",
) -> int:
    """Lay down the pod network of this node: the configuration last, all of it or nothing.

    Exit: 0 done, 1 refused or put back, 2 wrong usage or configuration, 3 undetermined.
    """
    from preflight.cni.install import Wanted
    from preflight.cni.plan import Flags
    from preflight.runs.cni_install import run_install

    return run_install(
        Wanted(Flags(**network), archive, sha256, package, displace, layout, conf_dir, routes),
        dry_run=dry_run,
        diff=diff,
        output=output,
    )

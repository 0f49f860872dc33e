"""`nodeprep cni prove`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.cnioptions import CacheDirOption, ConfDirOption, ConfFileOption, PluginDirOption
from preflight.cli.options import ConfigOption, KubeadmConfigOption, OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("prove")(prove)


def prove(
    via: Annotated[str, typer.Option(metavar="HOW", help="plugins or containerd.")] = "plugins",
    scratch: Annotated[
        bool, typer.Option("--scratch", help="In a private copy of this host's network.")
    ] = False,
    outside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS[:PORT]", help="What pods must reach [next hop, name servers]."
        ),
    ] = None,
    cri_socket: Annotated[
        str, typer.Option(metavar="PATH", help="The runtime's socket [cluster file, known places].")
    ] = "",
    conf: ConfFileOption = "",
    conf_dir: ConfDirOption = "",
    plugin_dir: PluginDirOption = None,
    cache_dir: CacheDirOption = "",
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    output: OutputOption = "text",
) -> int:
    """Show with two throw-away pods that pods can network here, or which step fails and why.

    Exit: 0 proven, 1 a step fails, 2 wrong usage or configuration, 3 undetermined.
    """
    from preflight.runs.cni_container import Place
    from preflight.runs.cni_prove import Asked, run_prove

    return run_prove(
        Place.given(conf, conf_dir, plugin_dir, cache_dir),
        Asked(via, scratch, tuple(outside or ()), config, kubeadm_config, cri_socket),
        output=output,
    )

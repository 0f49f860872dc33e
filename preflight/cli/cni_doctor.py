"""`nodeprep cni doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.cnioptions import CacheDirOption, ConfDirOption, ConfFileOption, PluginDirOption
from preflight.cli.options import ConfigOption, KubeadmConfigOption, OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("doctor")(doctor)


def doctor(
    offline: Annotated[
        bool, typer.Option("--offline", help="Send nothing beyond this host.")
    ] = False,
    conf: ConfFileOption = "",
    conf_dir: ConfDirOption = "",
    plugin_dir: PluginDirOption = None,
    cache_dir: CacheDirOption = "",
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    output: OutputOption = "text",
) -> int:
    """Say what is wrong with this node's pod network, why, and what mends it. Changes nothing.

    Exit: 0 healthy, 1 something is wrong, 2 wrong usage or configuration, 3 undetermined.
    """
    from preflight.runs.cni_container import Place
    from preflight.runs.cni_doctor import run_doctor

    return run_doctor(
        Place.given(conf, conf_dir, plugin_dir, cache_dir),
        config=config,
        kubeadm_config=kubeadm_config,
        offline=offline,
        output=output,
    )

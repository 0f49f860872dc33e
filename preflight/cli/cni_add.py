"""`nodeprep cni add`."""

from __future__ import annotations

import typer

from preflight.cli.cnioptions import (
    ArgumentOption,
    CacheDirOption,
    ConfDirOption,
    ConfFileOption,
    ContainerArgument,
    DockerOption,
    InterfaceOption,
    NamespaceArgument,
    OutputOption,
    PluginDirOption,
    PublishOption,
)


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("add")(add_)


def add_(
    container: ContainerArgument = "",
    netns: NamespaceArgument = "",
    docker: DockerOption = "",
    ifname: InterfaceOption = "eth0",
    arg: ArgumentOption = None,
    publish: PublishOption = None,
    conf: ConfFileOption = "",
    conf_dir: ConfDirOption = "",
    plugin_dir: PluginDirOption = None,
    cache_dir: CacheDirOption = "",
    output: OutputOption = "text",
) -> int:
    """Put a container into the node's network, as the runtime would.

    Exit: 0 done, 1 a plugin refused, 2 wrong usage or configuration, 3 undetermined.
    """
    from preflight.cnirun import Place, Target, run_add

    return run_add(
        Place.given(conf, conf_dir, plugin_dir, cache_dir),
        Target.given(container, netns, docker, ifname, arg, publish),
        output=output,
    )

"""`nodeprep cni del`."""

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
    app.command("del")(delete)


def delete(
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
    """Take a container out of the node's network.

    Exit: 0 done, 1 a plugin refused, 2 wrong usage or configuration, 3 undetermined.
    """
    from preflight.cnirun import Place, Target, run_delete

    return run_delete(
        Place.given(conf, conf_dir, plugin_dir, cache_dir),
        Target.given(container, netns, docker, ifname, arg, publish),
        output=output,
    )

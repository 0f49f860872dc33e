"""The options that the sub-commands of `nodeprep cni` share."""

from __future__ import annotations

from typing import Annotated

import typer

ConfFileOption = Annotated[
    str,
    typer.Option("--conf", metavar="FILE", help="This configuration, not the runtime's choice."),
]
ConfDirOption = Annotated[
    str, typer.Option("--conf-dir", metavar="DIR", help="Where the configuration files are.")
]
PluginDirOption = Annotated[
    list[str] | None,
    typer.Option("--plugin-dir", metavar="DIR", help="Where the plugins are; may be repeated."),
]
CacheDirOption = Annotated[
    str, typer.Option("--cache-dir", metavar="DIR", help="libcni's cache [/var/lib/cni].")
]
DockerOption = Annotated[
    str, typer.Option("--docker", metavar="NAME", help="A Docker container, in place of ID NETNS.")
]
InterfaceOption = Annotated[
    str, typer.Option("--ifname", metavar="NAME", help="The interface in the container.")
]
ArgumentOption = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="NAME=VALUE", help="One of CNI_ARGS; may be repeated."),
]
PublishOption = Annotated[
    list[str] | None,
    typer.Option(
        "--publish", metavar="HOST:POD[/tcp]", help="A port of the host; may be repeated."
    ),
]
ContainerArgument = Annotated[str, typer.Argument(metavar="ID", help="The container's id.")]
NamespaceArgument = Annotated[
    str, typer.Argument(metavar="NETNS", help="The path of its network namespace.")
]
OutputOption = Annotated[str, typer.Option("-o", "--output", help="text, json or yaml.")]

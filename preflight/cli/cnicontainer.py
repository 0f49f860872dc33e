"""What `nodeprep cni add`, `del` and `check` share: one container, in one command line."""

from __future__ import annotations

import typer

from preflight.cli.cni import SUBCOMMANDS
from preflight.cli.cnioptions import (
    ArgumentOption,
    CacheDirOption,
    ConfDirOption,
    ConfFileOption,
    ContainerArgument,
    DockerOption,
    InterfaceOption,
    NamespaceArgument,
    PluginDirOption,
    PublishOption,
)
from preflight.cli.options import OutputOption

_EXITS = "Exit: 0 done, 1 a plugin refused, 2 wrong usage or configuration, 3 undetermined."


def register_verb(app: typer.Typer, verb: str) -> None:
    """Adds one of the three to ``nodeprep cni``."""

    def command(
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
        from preflight.runs.cni_container import VERBS, Place, Target

        place = Place.given(conf, conf_dir, plugin_dir, cache_dir)
        target = Target.given(container, netns, docker, ifname, arg, publish)
        return VERBS[verb](place, target, output)

    app.command(verb, help=f"{SUBCOMMANDS[verb]}\n\n{_EXITS}")(command)

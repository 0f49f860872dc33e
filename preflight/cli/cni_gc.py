"""`nodeprep cni gc`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.cnioptions import CacheDirOption, PluginDirOption
from preflight.cli.options import ConfigOption, DryRunOption, OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("gc")(collect)


def collect(
    min_age: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Leave alone what is younger.")
    ] = 60,
    dry_run: DryRunOption = False,
    cri_socket: Annotated[
        str, typer.Option(metavar="PATH", help="The runtime's socket [cluster file, known places].")
    ] = "",
    plugin_dir: PluginDirOption = None,
    cache_dir: CacheDirOption = "",
    config: ConfigOption = "",
    output: OutputOption = "text",
) -> int:
    """Take away what dead pods left: leases, cache entries, chains, interfaces, namespaces.

    Exit: 0 done, 1 something stayed, 2 wrong usage, 3 nobody can tell which pods live.
    """
    from preflight.runs.cni_gc import Asked, run_gc

    asked = Asked(min_age, cri_socket, cache_dir, tuple(plugin_dir or ()), config)
    return run_gc(asked, dry_run=dry_run, output=output)

"""`nodeprep cni render`."""

from __future__ import annotations

from typing import Any

import typer

from preflight.cli.cninetwork import takes_network
from preflight.cli.options import OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("render")(takes_network(render))


def render(network: dict[str, Any], output: OutputOption = "text") -> int:
    """Print the network configuration that suits this node.

    Exit: 0 done, 2 wrong usage or a configuration that pods could not use.
    """
    from preflight.cni.plan import Flags
    from preflight.runs.cni_render import run_render

    return run_render(Flags(**network), output=output)

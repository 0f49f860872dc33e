"""`nodeprep cni`: each sub-command in its own module, imported when it is called."""

from __future__ import annotations

import typer

from preflight.cli.subcommands import lazy_group

# name -> its line of help; the module is preflight.cli.cni_NAME, with register(app).
SUBCOMMANDS = {
    "render": "Print the network configuration that suits this node.",
    "install": "Lay down the pod network of this node, all of it or nothing.",
    "prove": "Show with throw-away pods that pods can network here, or why not.",
    "add": "Put a container into the node's network, as the runtime would.",
    "del": "Take a container out of the node's network.",
    "check": "Ask the plugins whether a container's network is as they made it.",
    "doctor": "Say what is wrong with this pod network, why, and what mends it.",
    "gc": "Take away what dead pods left.",
    "profiles": "List what pod network products lay down and need, and whether it is so.",
    "remove": "Undo what install changed on this host, byte for byte.",
}


app = typer.Typer(
    cls=lazy_group("cni", SUBCOMMANDS),
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
)


@app.callback()
def cni() -> None:
    """The pod network by the reference plugins: lay it down, prove it, keep it clean."""

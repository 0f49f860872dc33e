"""`nodeprep cni`: each sub-command in its own module, imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

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


class LazyGroup(TyperGroup):
    """The sub-commands by name; the help needs none of their modules."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names in the order in which a person meets them."""
        return list(SUBCOMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command behind a name, None where there is none."""
        if cmd_name not in SUBCOMMANDS:
            return None
        single = typer.Typer(rich_markup_mode=None, add_completion=False)
        import_module(f"preflight.cli.cni_{cmd_name}").register(single)
        command = typer.main.get_command(single)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The help's list of sub-commands, from the lines above and not from the modules."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


app = typer.Typer(cls=LazyGroup, rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback()
def cni() -> None:
    """The pod network by the reference plugins: lay it down, prove it, keep it clean."""

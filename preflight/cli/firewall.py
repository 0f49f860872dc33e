"""`nodeprep firewall`: each sub-command in its own module, imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

# name -> its line of help; the module is preflight.cli.firewall_NAME, with register(app).
SUBCOMMANDS = {
    "render": "Print the rules that a role needs, to the byte as they would be loaded.",
    "plan": "Show what apply would change on this host; change nothing.",
    "apply": "Put a role's rules in force, with a rollback armed before.",
    "confirm": "Say, from a new connection, that the new rules work.",
    "rollback": "Put back at once what an unconfirmed change replaced.",
    "status": "Show what is in force, since when, and whether somebody changed it.",
    "verify": "Compare what is in force with what the policy asks for.",
    "prove": "Send every port and protocol through the rules, in a namespace, and compare.",
    "trace": "Say which rule decides about a packet, in whatever table it is.",
    "remove": "Take away everything of nodeprep's, and nothing else.",
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
        import_module(f"preflight.cli.firewall_{cmd_name}").register(single)
        command = typer.main.get_command(single)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The help's list of sub-commands, from the lines above and not from the modules."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUBCOMMANDS.items()))


app = typer.Typer(cls=LazyGroup, rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback()
def firewall() -> None:
    """The host firewall that a role needs: render, plan, apply safely, verify, remove."""

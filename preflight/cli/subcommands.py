"""Groups of sub-commands, each in its own module that is imported when it is called."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from rules.words import hint


class CommandGroup(TyperGroup):
    """A group that names the nearest command for one that there is not.

    typer and click look only among commands that are loaded, and of ours none is.
    """

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words begin with; else the usage error of click's own."""
        names = self.list_commands(ctx)
        # Options, and the half words of a completion, are click's to judge.
        if args and args[0][:1] != "-" and args[0] not in names and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}{hint(args[0], names)}")
        return super().resolve_command(ctx, args)


def lazy_group(prefix: str, commands: dict[str, str]) -> type[TyperGroup]:
    """A group of sub-commands. ``commands``: name -> its line of help.

    The module of NAME is ``preflight.cli.PREFIX_NAME``, with ``register(app)``.
    """

    def load(name: str) -> typer.Typer:
        single = typer.Typer(rich_markup_mode=None, add_completion=False)
        import_module(f"preflight.cli.{prefix}_{name}").register(single)
        return single

    return group_of(commands, load)


def group_of(commands: dict[str, str], load: Callable[[str], typer.Typer]) -> type[TyperGroup]:
    """A group whose help needs none of its modules: ``load`` gives the one that is called."""

    class LazyGroup(CommandGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            """The names in the order in which a person meets them."""
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            """The command behind a name, None where there is none."""
            if cmd_name not in commands:
                return None
            command = typer.main.get_command(load(cmd_name))
            command.name = cmd_name
            return command

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            """The help's list of sub-commands, from the lines above and not from the modules."""
            with formatter.section("Commands"):
                formatter.write_dl(list(commands.items()))

    return LazyGroup

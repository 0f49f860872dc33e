"""`nodeprep firewall`: each sub-command in its own module, imported when it is called."""

from __future__ import annotations

import typer

from preflight.cli.subcommands import lazy_group

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

app = typer.Typer(
    cls=lazy_group("firewall", SUBCOMMANDS),
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
)


@app.callback()
def firewall() -> None:
    """The host firewall that a role needs: render, plan, apply safely, verify, remove."""

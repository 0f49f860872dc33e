"""`nodeprep cloud`: each sub-command in its own module, imported when it is called."""

from __future__ import annotations

import typer

from preflight.cli.subcommands import lazy_group

# name -> its line of help; the module is preflight.cli.cloud_NAME, with register(app).
SUBCOMMANDS = {
    "render": "Print a cluster's rules as a cloud takes them, one document for all roles.",
    "lint": "Find what a cloud would refuse in Terraform, templates and dumps, anybody's.",
    "audit": "Compare what a cloud lets in with the policy: dumps, Terraform state, or live.",
    "apply": "Bring a cloud's groups to the policy, by its API (AWS) or the vendor's command.",
}

app = typer.Typer(
    cls=lazy_group("cloud", SUBCOMMANDS),
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
)


@app.callback()
def cloud() -> None:
    """The firewall of a cloud: the policy of a whole cluster as the cloud's own groups."""

"""`nodeprep explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli import values
from preflight.cli.options import ReferenceOption

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def explain(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[ID]",
            help="A check's id or kubeadm's name for it.",
            autocompletion=values.check,
        ),
    ] = "",
    output: ReferenceOption = "text",
) -> None:
    """Say what a check wants, why, and from which source. Without ID: list all checks."""
    import sys

    from preflight.checks.registry import registry
    from preflight.engine import find_check
    from preflight.report import document, explain

    checks = registry()
    chosen = [find_check(name, checks.values())] if name else list(checks.values())
    if output == "markdown":
        sys.stdout.write(explain.markdown(chosen))
    elif output == "text" and name:
        sys.stdout.write(explain.text(chosen[0]))
    elif output == "text":
        sys.stdout.write(explain.listing(chosen))
    else:
        rows = [explain.document(check) for check in chosen]
        sys.stdout.write(
            document.render({"schema_version": 1, "kind": "Checks", "checks": rows}, output)
        )

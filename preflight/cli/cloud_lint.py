"""`nodeprep cloud lint`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli.cloudoptions import QuotaOption
from preflight.cli.options import OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cloud``."""
    app.command("lint")(lint)


def lint(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="Terraform (HCL, JSON, state), CloudFormation, ARM, HEAT, or what a cloud's "
            "command prints; - is stdin.",
        ),
    ] = None,
    quota: QuotaOption = None,
    rules: Annotated[bool, typer.Option("--rules", help="List what is looked for.")] = False,
    output: OutputOption = "text",
) -> int:
    """Find what a cloud would refuse, or take otherwise than it looks, before it sees the file.

    Exit: 0 no errors, 1 some; 2 a file that cannot be read.
    """
    from preflight.runs.cloud_lint import run_lint, run_rules

    if rules:
        return run_rules(output)
    return run_lint(tuple(files or ()), tuple(quota or ()), output=output)

"""`nodeprep cloud render`."""

from __future__ import annotations

from typing import Any

import typer

from preflight.cli.cloudoptions import FormatOption, asks
from preflight.cli.options import OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cloud``."""
    app.command("render")(render)


@asks("aws, gcp, azure, openstack or capi.")
def render(request: Any, form: FormatOption = "", output: OutputOption = "text") -> int:
    """Print a cluster's rules as a cloud takes them, one document for all roles.

    Changes nothing and asks no cloud. What the document costs of which quota goes to stderr.
    """
    from preflight.runs.cloud_render import run_render

    return run_render(request, form=form, output=output)

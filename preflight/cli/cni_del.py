"""`nodeprep cni del`."""

from __future__ import annotations

import typer

from preflight.cli.cnicontainer import register_verb


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    register_verb(app, "del")

"""Packages that only some commands need: what to say where one is absent."""

from __future__ import annotations

from shlex import quote

from rules.errors import CommandError


def absent(purpose: str, requirement: str) -> CommandError:
    """The error of a command that needs a package, with how to install it beside nodeprep.

    ``requirement`` is as pyproject.toml's extra has it. pipx keeps nodeprep apart; the single file
    sees what the python3 that runs it has.
    """
    wanted = quote(requirement)
    return CommandError(
        "absent",
        f"{purpose}, a package must be installed beside nodeprep: pip install {wanted}; of one "
        f"that pipx installed: pipx inject nodeprep {wanted}",
    )

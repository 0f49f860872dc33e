"""Asking the kernel how it prints a ruleset, in a network namespace that is gone afterwards."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rules.backend import LOAD_TIMEOUT_S
from rules.errors import CommandError
from rules.run import SEARCH_PATH, Running


def in_scratch(commands: Sequence[Sequence[str]]) -> Running | None:
    """Starts the commands, one after the other until one fails, in a new network namespace.

    None where the machine lets nobody make one (a container without CAP_SYS_ADMIN).
    """
    script = " && ".join(shlex.join(command) for command in commands)
    try:
        return Running(["unshare", "--net", "--", "sh", "-c", script], env={"PATH": SEARCH_PATH})
    except CommandError:
        return None


def answer(running: Running | None) -> str | None:
    """What the commands printed; None where one of them failed."""
    if running is None:
        return None
    try:
        return running.result(timeout_s=LOAD_TIMEOUT_S).stdout
    except CommandError:
        return None

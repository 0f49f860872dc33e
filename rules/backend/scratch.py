"""Asking the kernel how it prints a ruleset, in a network namespace that is gone afterwards."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rules.backend import LOAD_TIMEOUT_S
from rules.backend.memory import MemoryFiles
from rules.errors import CommandError
from rules.run import run


def in_scratch(commands: Sequence[Sequence[str]], files: MemoryFiles) -> str | None:
    """What the commands print, run one after the other in a new network namespace.

    None where one of them fails, or where the machine lets nobody make a namespace (a container
    without CAP_SYS_ADMIN).
    """
    script = " && ".join(shlex.join(command) for command in commands)
    try:
        return run(
            ["unshare", "--net", "--", "sh", "-c", script],
            timeout_s=LOAD_TIMEOUT_S,
            pass_fds=files.descriptors,
        ).stdout
    except CommandError:
        return None

"""The commands that `nodeprep fix` is given by --next: what each would change after it.

Told in the same process, beside the reading of the machine: most of that is waiting for the link.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from preflight.report.nextstep import NextStep
from rules.errors import UsageError

# Those that can say what they would change, by the words that name them.
COMMANDS = (("firewall", "apply"), ("firewall", "remove"), ("cni", "install"), ("cni", "remove"))
_FILES = ("--config", "--kubeadm-config")
_VARIABLES = ("NODEPREP_CONFIG", "NODEPREP_KUBEADM_CONFIG")


def next_steps(lines: Sequence[str]) -> Callable[[], tuple[NextStep, ...]]:
    """What looks at all of them. ``lines``: each a command as after ``nodeprep``, quoted as in a
    shell. Raises UsageError for one that cannot be looked at."""
    commands = [_words(line) for line in lines]
    return lambda: tuple(map(look, commands))


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"--next {line!r}: {error}") from None
    if tuple(words[:2]) not in COMMANDS:
        names = ", ".join(map(" ".join, COMMANDS))
        raise UsageError(f"--next takes a command with its options, not {line!r}; one of {names}")
    if {"-h", "--help"} & set(words):
        raise UsageError(f"--next {line!r}: help is for a command of its own")
    values = [word.partition("=")[2] for word in words if word.startswith(_FILES)]
    values += [after for word, after in pairwise(words) if word in _FILES]
    if "-" in (*values, *map(os.environ.get, _VARIABLES)):
        raise UsageError(f"--next {line!r}: a command of --next cannot read standard input")
    return words


def look(words: list[str]) -> NextStep:
    """What this command would change now. Its own refusal is an answer; never raises."""
    from preflight.cli import main
    from preflight.output import keep

    made = partial(NextStep, shlex.join(words))
    with keep() as kept:
        try:
            # Ahead of its own options: the last of them may lack its value, and would take this.
            main.call([*words[:2], "--dry-run", "-o", "json", *words[2:]])
        except Exception as error:  # noqa: BLE001  (told, with its exit code, as main does)
            message, code = main.reason(error)
            return made(None, tuple(kept.said), message, code)
    if not kept.documents:
        return made(None, tuple(kept.said), "it printed nothing", UsageError.exit_code)
    return made(kept.documents[-1], tuple(kept.said))

"""What a command that comes after `nodeprep fix` would change, as fix prints it. Pure."""

from __future__ import annotations

from typing import Any

from preflight.report.firewall import change_line
from rules.errors import EXIT_DONE
from rules.record import record


@record
class NextStep:
    """``command``: as after ``nodeprep``. ``document``: that of its dry run; where it has none,
    ``error`` says why and ``code`` is its exit code. ``said``: its lines for a person."""

    command: str
    document: dict[str, Any] | None
    said: tuple[str, ...] = ()
    error: str = ""
    code: int = EXIT_DONE


def item(step: NextStep) -> dict[str, Any]:
    """As the contract has it."""
    return {
        "command": step.command,
        "changed": None if step.document is None else step.document["changed"],
        "document": step.document,
        "said": list(step.said),
        "error": step.error or None,
    }


def lines(step: NextStep) -> list[str]:
    """For a person: the command, and the things that it would change."""
    if step.document is None:
        return [f"next: nodeprep {step.command}", f"  cannot be told: {step.error}"]
    if not step.document["changed"]:
        return [f"next: nodeprep {step.command}: nothing to change"]
    told = [f"next: nodeprep {step.command}"]
    told += [
        change_line(change["object"], change["before"], change["after"])
        for change in step.document["changes"]
    ]
    return told + [f"  {line}" for line in step.said]

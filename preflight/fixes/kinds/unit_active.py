"""Whether a unit runs now."""

from __future__ import annotations

from preflight.fixes.steps import FixError, State
from rules.errors import CommandError
from rules.run import run

_TIMEOUT_S = 120.0


def read(name: str) -> State:
    """``active`` or None."""
    try:
        output = run(["systemctl", "is-active", name], timeout_s=_TIMEOUT_S, ok=(0, 1, 3, 4))
    except CommandError as error:
        raise FixError(str(error)) from None
    return "active" if output.stdout.strip() == "active" else None


def write(name: str, state: State) -> None:
    """start or stop. Raises FixError."""
    try:
        run(["systemctl", "start" if state else "stop", name], timeout_s=_TIMEOUT_S)
    except CommandError as error:
        raise FixError(str(error)) from None


def same(one: State, other: State) -> bool:
    """Equal."""
    return bool(one == other)


def shown(name: str, state: State) -> str | None:
    """``active``."""
    return f"{state}\n" if state else None

"""A swap area that is in use now."""

from __future__ import annotations

from preflight.facts.swap import unescape
from preflight.fixes.steps import FixError, State
from rules.errors import CommandError
from rules.run import run

# What is swapped out has to be read back into memory first.
_TIMEOUT_S = 600.0


def read(name: str) -> State:
    """``{"priority": number}``, None where it is not in use."""
    try:
        with open("/proc/swaps", encoding="utf-8", errors="replace") as stream:
            rows = [line.split() for line in stream.read().splitlines()[1:]]
    except FileNotFoundError:  # a kernel without swap
        return None
    except OSError as error:
        raise FixError(f"/proc/swaps cannot be read: {error.strerror}") from None
    for row in rows:
        if len(row) == 5 and unescape(row[0]) == name:
            return {"priority": int(row[4])}
    return None


def write(name: str, state: State) -> None:
    """swapoff, or swapon with the priority it had. Raises FixError."""
    argv = ["swapoff", name]
    if state is not None:
        # The kernel gives negative ones by itself (swapon(2)).
        given = ["-p", str(state["priority"])] if state["priority"] >= 0 else []
        argv = ["swapon", *given, name]
    try:
        run(argv, timeout_s=_TIMEOUT_S)
    except CommandError as error:
        raise FixError(str(error)) from None


def same(one: State, other: State) -> bool:
    """Whether both are on, or both off."""
    return (one is None) == (other is None)


def shown(name: str, state: State) -> str | None:
    """``on`` and the priority."""
    return None if state is None else f"on, priority {state['priority']}\n"

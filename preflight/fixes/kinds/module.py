"""A kernel module: loaded or not."""

from __future__ import annotations

from preflight.facts.modules import parse_loaded
from preflight.fixes.steps import FixError, State
from rules.errors import CommandError
from rules.run import run

LOADED = "/proc/modules"
_TIMEOUT_S = 30.0


def read(name: str) -> State:
    """``loaded`` or None."""
    try:
        with open(LOADED, encoding="utf-8") as stream:
            return "loaded" if name in parse_loaded(stream.read()) else None
    except FileNotFoundError:  # a kernel without modules has what it has
        return None
    except OSError as error:
        raise FixError(f"{LOADED} cannot be read: {error.strerror}") from None


def write(name: str, state: State) -> None:
    """Loads or unloads it. Raises FixError, for one that is in use too."""
    argv = ["modprobe", "--", name] if state else ["modprobe", "-r", "--", name]
    if not state and read(name) is None:
        return
    try:
        run(argv, timeout_s=_TIMEOUT_S)
    except CommandError as error:
        raise FixError(str(error)) from None


def same(one: State, other: State) -> bool:
    """Equal."""
    return bool(one == other)


def shown(name: str, state: State) -> str | None:
    """``loaded``."""
    return f"{state}\n" if state else None

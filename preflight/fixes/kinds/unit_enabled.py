"""Whether systemd starts a unit at boot."""

from __future__ import annotations

from preflight.fixes.steps import FixError, State
from rules.errors import CommandError
from rules.run import run

_TIMEOUT_S = 60.0


def read(name: str) -> State:
    """``enabled``, ``disabled``, ``masked`` and the like, as systemctl is-enabled says it."""
    try:
        # It ends with 1 for everything that is not started at boot.
        output = run(["systemctl", "is-enabled", name], timeout_s=_TIMEOUT_S, ok=(0, 1, 3, 4))
    except CommandError as error:
        raise FixError(str(error)) from None
    word = output.stdout.strip()
    if not word or word == "not-found":
        return None
    return word.removesuffix("-runtime")


def write(name: str, state: State) -> None:
    """enable, disable or mask; a mask is taken off first. Raises FixError."""
    if state not in ("enabled", "disabled", "masked"):
        raise FixError(f"{name} was {state or 'not there'}, which no systemctl command makes")
    try:
        if read(name) == "masked":
            run(["systemctl", "unmask", name], timeout_s=_TIMEOUT_S)
        verb = "enable" if state == "enabled" else "disable"
        if read(name) not in (None, "static"):
            run(["systemctl", verb, name], timeout_s=_TIMEOUT_S)
        if state == "masked":
            run(["systemctl", "mask", name], timeout_s=_TIMEOUT_S)
    except CommandError as error:
        raise FixError(str(error)) from None


def same(one: State, other: State) -> bool:
    """Equal."""
    return bool(one == other)


def shown(name: str, state: State) -> str | None:
    """The word."""
    return f"{state}\n" if state else None

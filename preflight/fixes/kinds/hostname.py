"""The name of the running machine."""

from __future__ import annotations

import os
import socket

from preflight.fixes.steps import FixError, State


def read(name: str) -> State:
    """The name."""
    return os.uname().nodename


def write(name: str, state: State) -> None:
    """Sets it, until the next boot. Raises FixError."""
    try:
        socket.sethostname(state)
    except OSError as error:
        raise FixError(f"the host name cannot be set: {error.strerror}") from None


def same(one: State, other: State) -> bool:
    """Equal."""
    return bool(one == other)


def shown(name: str, state: State) -> str | None:
    """The name."""
    return f"{state}\n"

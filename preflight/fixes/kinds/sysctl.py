"""A kernel setting, with the settings that the kernel changes along with it."""

from __future__ import annotations

import contextlib
import os

from preflight.alongside import paths_along
from preflight.facts.sysctls import path_of
from preflight.fixes.steps import FixError, State


def read(name: str) -> State:
    """``{"value": text, "with": {path: text}}``; None where this kernel has no such setting."""
    value = _read(path_of(name))
    if value is None:
        return None
    along = {path: text for path in paths_along(name) if (text := _read(path)) is not None}
    return {"value": value, "with": along}


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return " ".join(stream.read().split())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FixError(f"{path}: cannot be read: {error.strerror}") from None


def write(name: str, state: State) -> None:
    """Writes the value, then what goes along; a setting that was not there stays as it is."""
    if state is None:
        return
    path = path_of(name)
    if _read(path) is None:
        raise FixError(f"this kernel has no {name}; is its module loaded?")
    _write(path, state["value"])
    for each, value in state["with"].items():
        # An interface may be gone by now, and its settings with it.
        if _read(each) not in (None, value):
            with contextlib.suppress(FileNotFoundError):
                _write(each, value)


def _write(path: str, value: str) -> None:
    try:
        # Not open(), which would make a file that is not there.
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(f"{value}\n")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FixError(f"{path}: cannot be written: {error.strerror}") from None


def same(one: State, other: State) -> bool:
    """By the value of the key itself."""
    if one is None or other is None:
        return one is other
    return bool(one["value"] == other["value"])


def shown(name: str, state: State) -> str | None:
    """The value."""
    return None if state is None else f"{state['value']}\n"

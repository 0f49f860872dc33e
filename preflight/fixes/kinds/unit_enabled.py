"""Whether systemd starts a unit at boot: the word for it, and the links that make it so."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from preflight.fixes.kinds import file
from preflight.fixes.steps import FixError, State
from rules.errors import CommandError
from rules.run import run

DIRECTORY = Path("/etc/systemd/system")
_TIMEOUT_S = 60.0
# What `systemctl enable` makes links in (systemd.unit(5)).
_PATTERNS = ("*.wants", "*.requires", "*.upholds")


def read(name: str) -> State:
    """``word`` as `systemctl is-enabled` says it, ``links`` (path -> target) and ``directories``.

    None where systemd knows no such unit.
    """
    try:
        # It ends with 1 for everything that is not started at boot.
        output = run(["systemctl", "is-enabled", name], timeout_s=_TIMEOUT_S, ok=(0, 1, 3, 4))
    except CommandError as error:
        raise FixError(str(error)) from None
    word = output.stdout.strip().removesuffix("-runtime")
    if not word or word == "not-found":
        return None
    places = [DIRECTORY / name, *(each / name for each in _directories())]
    return {
        "word": word,
        "links": {str(place): os.readlink(place) for place in places if place.is_symlink()},
        "directories": [str(each) for each in _directories()],
    }


def _directories() -> list[Path]:
    return sorted(each for pattern in _PATTERNS for each in DIRECTORY.glob(pattern))


def write(name: str, state: State) -> None:
    """Enables it (a mask is taken off first), or puts back the links that it had."""
    now = read(name)
    if now is None or state is None:
        raise FixError(f"systemd knows no {name}")
    try:
        if "links" in state:
            _put_back(now["links"], state["links"], state["directories"])
            run(["systemctl", "daemon-reload"], timeout_s=_TIMEOUT_S)
            return
        if now["word"] == "masked":
            run(["systemctl", "unmask", name], timeout_s=_TIMEOUT_S)
        run(["systemctl", "enable", name], timeout_s=_TIMEOUT_S)
    except CommandError as error:
        raise FixError(str(error)) from None


def _put_back(now: dict[str, str], before: dict[str, str], directories: list[str]) -> None:
    for place in now.keys() - before.keys():
        file.write(place, None)
    for place, target in before.items():
        if now.get(place) != target:
            file.make_directories(file.missing_directories(place))
            file.write(place, {"link": target})
    for each in _directories():
        if str(each) not in directories:
            with contextlib.suppress(OSError):  # somebody else's link is in it
                each.rmdir()


def same(one: State, other: State) -> bool:
    """By the word; two states that were read by their links too, so that undo restores them all."""
    if one is None or other is None:
        return one is other
    fields = ("word", "links", "directories") if "links" in one and "links" in other else ("word",)
    return all(one[field] == other[field] for field in fields)


def shown(name: str, state: State) -> str | None:
    """The word."""
    return f"{state['word']}\n" if state else None

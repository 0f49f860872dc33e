"""A package of the distribution, named MANAGER:PACKAGE."""

from __future__ import annotations

from preflight.fixes.steps import FixError, State
from rules.errors import CommandError
from rules.run import run

_INSTALL = {
    "apt": ["apt-get", "install", "-y", "--no-install-recommends"],
    "dnf": ["dnf", "install", "-y"],
    "zypper": ["zypper", "--non-interactive", "install", "--no-recommends"],
}
_ASK = {
    "apt": ["dpkg-query", "-W", "-f", "${Status}"],
    "dnf": ["rpm", "-q"],
    "zypper": ["rpm", "-q"],
}
_INSTALL_TIMEOUT_S = 900.0
_ASK_TIMEOUT_S = 30.0
MANAGERS = tuple(_INSTALL)


def read(name: str) -> State:
    """``installed`` or None."""
    manager, _, package = name.partition(":")
    try:
        output = run([*_ASK[manager], package], timeout_s=_ASK_TIMEOUT_S, ok=(0, 1))
    except CommandError as error:
        raise FixError(str(error)) from None
    there = "ok installed" in output.stdout if manager == "apt" else output.returncode == 0
    return "installed" if there else None


def write(name: str, state: State) -> None:
    """Installs it. Raises FixError where that fails, and for a removal, which is not ours."""
    manager, _, package = name.partition(":")
    if state is None:
        raise FixError(f"the package {package} stays; remove it with {manager} if nobody needs it")
    try:
        run(
            [*_INSTALL[manager], package],
            timeout_s=_INSTALL_TIMEOUT_S,
            env={"DEBIAN_FRONTEND": "noninteractive"},
        )
    except CommandError as error:
        raise FixError(str(error)) from None


def same(one: State, other: State) -> bool:
    """Equal."""
    return bool(one == other)


def shown(name: str, state: State) -> str | None:
    """``installed``."""
    return f"{state}\n" if state else None

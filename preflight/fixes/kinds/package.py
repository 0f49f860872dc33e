"""A package of the distribution, named MANAGER:PACKAGE."""

from __future__ import annotations

from preflight import packages
from preflight.fixes.steps import FixError, State
from rules.errors import CommandError


def read(name: str) -> State:
    """``installed`` or None."""
    manager, _, package = name.partition(":")
    try:
        return "installed" if packages.installed(manager, package) else None
    except CommandError as error:
        raise FixError(str(error)) from None


def write(name: str, state: State) -> None:
    """Installs it. Raises FixError where that fails, and for a removal, which is not ours."""
    manager, _, package = name.partition(":")
    if state is None:
        raise FixError(f"the package {package} stays; remove it with {manager} if nobody needs it")
    try:
        packages.install(manager, package)
    except CommandError as error:
        raise FixError(str(error)) from None


def same(one: State, other: State) -> bool:
    """Equal."""
    return bool(one == other)


def shown(name: str, state: State) -> str | None:
    """``installed``."""
    return f"{state}\n" if state else None

"""The kinds of resources: how each is read, written, compared and shown. All the I/O of a fix."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from preflight.fixes.steps import State

_MODULES = {
    "file": "file",
    "link": "file",
    "sysctl": "sysctl",
    "module": "module",
    "swap": "swap",
    "unit-enabled": "unit_enabled",
    "unit-active": "unit_active",
    "hostname": "hostname",
    "package": "package",
    "firewall": "firewall",
    "pod-network": "podnetwork",
}
KINDS = frozenset(_MODULES)
# What is on disk; the rest is the state of the kernel or of a service manager.
ON_DISK = ("file", "link")


class Kind(Protocol):
    """A module of this package. Reading never changes anything; errors are FixError."""

    def read(self, name: str) -> State:
        """The state now; None: it is not there, or off.

        ``"unfinished"`` in it: it is neither what it was nor what it was to be, by a kill.
        """

    def write(self, name: str, state: State) -> None:
        """Gives the resource the state. Done twice it is done once."""

    def same(self, one: State, other: State) -> bool:
        """Whether two states are the same for a person."""

    def shown(self, name: str, state: State) -> str | None:
        """The state as a person reads it, None where it is not there."""


def kind(name: str) -> Kind:
    """The kind of this name."""
    return cast("Kind", import_module(f"preflight.fixes.kinds.{_MODULES[name]}"))


def object_name(kind: str, name: str) -> str:
    """What a change is called: a path as it is, anything else with its kind."""
    return name if kind in ON_DISK else f"{kind} {name}"


def is_unfinished(state: State) -> bool:
    """Whether a part of nodeprep was killed in the middle of this: then nobody else changed it."""
    return isinstance(state, dict) and bool(state.get("unfinished"))

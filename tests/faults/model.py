"""A seeded fault: what is broken, by which id it must be found, and how it is put there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from preflight.facts.model import Facts
from preflight.settings import Settings
from preflight.target import Phase
from rules.cluster import Role
from rules.version import NEWEST, Version


@dataclass(frozen=True)
class SavedFault:
    """A change to the healthy saved node, judged through `check --facts`.

    ``finds``: the ids whose verdict must change, and the only ones that may. ``baseline`` makes
    the sound node of the healthy one where that is another (one that runs already).
    """

    name: str
    finds: frozenset[str]
    change: Callable[[Facts], Facts]
    role: Role = Role.MASTER
    phase: Phase = Phase.BEFORE
    version: Version = NEWEST
    settings: Settings = field(default_factory=Settings)
    baseline: Callable[[Facts], Facts] = lambda facts: facts


@dataclass(frozen=True)
class LiveFault:
    """A fault put into private mount, UTS, PID and network namespaces of the real kernel.

    ``shell`` runs there as root before the check (``set -e``). ``baseline`` runs before it in
    both the healthy and the broken run. ``arguments`` go to `nodeprep check` in both runs.
    ``finds`` as above: the verdicts that may and must differ from the run without ``shell``.
    """

    name: str
    finds: frozenset[str]
    shell: str
    baseline: str = ""
    role: Role = Role.MASTER
    arguments: tuple[str, ...] = ("--offline",)

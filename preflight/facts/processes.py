"""The processes that compete with a node's components."""

from __future__ import annotations

from preflight.facts.model import Known, Unknown
from preflight.facts.model.runtime import Process
from preflight.facts.procs import command_of, in_own_network, unit_of
from preflight.versions.distributions import NAMES


def competing(names: Known[dict[int, str]], *, proc: str = "/proc") -> Known[tuple[Process, ...]]:
    """Those of ``names`` (process id -> name) that ``preflight.versions.distributions`` lists."""
    if isinstance(names, Unknown):
        return names
    return tuple(
        Process(
            pid,
            name,
            command_of(pid, proc=proc)[:300],
            unit_of(pid, proc=proc),
            in_own_network(pid, proc=proc),
        )
        for pid, name in sorted(names.items())
        if name in NAMES
    )

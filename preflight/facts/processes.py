"""The processes that compete with a node's components."""

from __future__ import annotations

import os

from preflight.facts.model import Known, Unknown
from preflight.facts.model.runtime import Process
from preflight.facts.procs import command_of, in_own_network, parent_of, unit_of
from preflight.versions.distributions import NAMES

_COMMAND_LIMIT = 300


def competing(names: Known[dict[int, str]], *, proc: str = "/proc") -> Known[tuple[Process, ...]]:
    """Those of ``names`` (process id -> name) that ``preflight.versions.distributions`` lists.

    Not those that have ended (they have no command line any more), nor this process's children:
    the kubelet that was started to tell its version.
    """
    if isinstance(names, Unknown):
        return names
    found = []
    for pid, name in sorted(names.items()):
        if name not in NAMES or parent_of(pid, proc=proc) == os.getpid():
            continue
        command = command_of(pid, proc=proc)
        if command:
            unit, own = unit_of(pid, proc=proc), in_own_network(pid, proc=proc)
            found.append(Process(pid, name, command[:_COMMAND_LIMIT], unit, own))
    return tuple(found)

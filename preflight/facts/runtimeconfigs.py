"""The configuration of the runtimes that are installed: containerd's and CRI-O's files."""

from __future__ import annotations

import os

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.runtime import CriServer, RuntimeConfig
from preflight.facts.procs import command_of
from preflight.versions.runtimes import parse_runtime_version
from rules.run import find_program


def read_configs(
    host: Host, servers: tuple[CriServer, ...], names: Known[dict[int, str]]
) -> Known[tuple[RuntimeConfig, ...]]:
    """The configuration of every runtime that is installed or has a file."""
    from preflight.facts import containerd, crio

    configs = []
    paths = _containerd_paths(names)
    if find_program("containerd") or paths or os.path.exists(containerd.DEFAULT_PATH):
        major = _containerd_major(servers)
        for path in dict.fromkeys(paths or (containerd.DEFAULT_PATH,)):
            merge = None if major is None else major >= 2
            configs.append(containerd.read_config(path, host.read, merge=merge))
    drop_ins = {place: host.listdir(place) for place in crio.DROP_IN_DIRS}
    if find_program("crio") or os.path.exists(crio.MAIN_PATH):
        configs.append(crio.read_config(host.read, drop_ins))
    return tuple(configs)


def _containerd_paths(names: Known[dict[int, str]]) -> tuple[str, ...]:
    """The files that the containerds which run were started with."""
    from preflight.facts.containerd import DEFAULT_PATH, config_argument

    if isinstance(names, Unknown):
        return ()
    return tuple(
        config_argument(command_of(pid)) or DEFAULT_PATH
        for pid, name in sorted(names.items())
        if name == "containerd"
    )


def _containerd_major(servers: tuple[CriServer, ...]) -> int | None:
    for server in servers:
        version = parse_runtime_version(server.version)
        if server.name == "containerd" and version:
            return version.major
    return None

"""What this node has: its runtime, where plugins are, what they speak, what the uplink carries."""

from __future__ import annotations

import os

from preflight.cni.node import runtime_of
from preflight.cni.winner import CONTAINERD
from preflight.facts import cnifiles
from preflight.facts.host import Host
from preflight.facts.model import Unknown
from preflight.facts.plugins import finish, start_version
from preflight.settings import Settings
from rules.errors import CommandError
from rules.run import run
from rules.version import Version

_TIMEOUT_S = 10.0
# containerd 2.0 is the first with libcni 1.2, which reads CNI 1.1.0.
_CONTAINERD_1_1 = Version(2, 0)


def runtime_and_dirs(settings: Settings) -> tuple[str, str, tuple[str, ...]]:
    """(runtime, the newest cniVersion that it reads, its plugin directories and the usual ones)."""
    runtime = runtime_of(Host(offline=True))
    _, directories = cnifiles.directories((runtime,))
    return runtime.runtime, newest_spec(runtime.runtime), directories


def newest_spec(runtime: str) -> str:
    """What the installed runtime reads: containerd before 2.0 nothing above 1.0.0."""
    if runtime != CONTAINERD:
        return "1.1.0"
    from preflight.versions.runtimes import parse_runtime_version

    try:
        words = run(["containerd", "--version"], timeout_s=_TIMEOUT_S).stdout.split()
    except CommandError:
        return "1.0.0"  # which both read
    version = parse_runtime_version(words[2]) if len(words) > 2 else None
    return "1.1.0" if version is not None and version >= _CONTAINERD_1_1 else "1.0.0"


def asked(
    kinds: tuple[str, ...], directories: tuple[str, ...]
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """(type -> what VERSION answered, the types that are not there), all asked side by side.

    A plugin that is there and gives no answer has an empty answer: no version suits it.
    """
    paths = {kind: locate(kind, directories) for kind in dict.fromkeys(kinds)}
    started = {kind: start_version(path) for kind, path in paths.items() if path}
    found: dict[str, tuple[str, ...]] = {}
    for kind, running in started.items():
        answer = finish(running)
        found[kind] = () if isinstance(answer, Unknown) else answer
    return found, tuple(kind for kind, path in paths.items() if not path)


def locate(kind: str, directories: tuple[str, ...]) -> str:
    """The path of a plugin in the first directory that has it; empty where none has."""
    for directory in directories:
        path = f"{directory}/{kind}"
        if os.path.isfile(path):
            return path
    return ""


def uplink_mtu() -> int | None:
    """The least MTU of the links with a default route, in bytes; None where there is none."""
    found = (_mtu(name) for name in uplinks())
    return min((mtu for mtu in found if mtu is not None), default=None)


def _mtu(name: str) -> int | None:
    try:
        with open(f"/sys/class/net/{name}/mtu", encoding="ascii") as stream:
            return int(stream.read())
    except (OSError, ValueError):
        return None


def uplinks() -> tuple[str, ...]:
    """The links with a default route in the main table, both families."""
    four = [
        fields[0]
        for fields in _table("route")
        if fields[1:2] == ["00000000"] and fields[7:8] == ["00000000"]
    ]
    six = [
        fields[9]
        for fields in _table("ipv6_route")
        if fields[:2] == ["0" * 32, "00"] and fields[9] != "lo"
    ]
    return tuple(dict.fromkeys([*four, *six]))


def _table(name: str) -> list[list[str]]:
    try:
        with open(f"/proc/net/{name}", encoding="ascii") as stream:
            return [line.split() for line in stream]
    except OSError:
        return []

"""Kernel modules: loaded, built in, loadable, absent, and what modprobe.d forbids."""

from __future__ import annotations

import os

from preflight.facts.bootfiles import dropins
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.kernel import KernelConfig, Module
from preflight.versions.modules import MODULES, OLD_NAMES

_MODPROBE_DIRECTORIES = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
# `install NAME /bin/false` and its spellings: the command that refuses to load.
_REFUSALS = frozenset({"false", "true", ":"})
_INDEX_LIMIT_BYTES = 16 * 1024 * 1024


def parse_loaded(text: str) -> frozenset[str]:
    """/proc/modules -> names."""
    return frozenset(line.split(" ", 1)[0] for line in text.splitlines() if line)


def parse_index(data: bytes) -> frozenset[str]:
    """modules.dep or modules.builtin -> names with underscores; ``.ko``, ``.ko.xz`` and the like.

    A line is ``kernel/fs/overlayfs/overlay.ko.zst: ...`` or the path alone.
    """
    names = (
        line.partition(b":")[0].rpartition(b"/")[2].partition(b".ko")[0]
        for line in data.split(b"\n")
        if line
    )
    return frozenset(name.decode("ascii", "replace").replace("-", "_") for name in names)


def parse_modprobe(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """A modprobe.d file -> names that an ``install`` line refuses, names that are blacklisted."""
    blocked, denied = set(), set()
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if len(words) < 2 or words[0].startswith("#"):
            continue
        name = words[1].replace("-", "_")
        if words[0] == "blacklist":
            denied.add(name)
        elif words[0] == "install" and os.path.basename("".join(words[2:3])) in _REFUSALS:
            blocked.add(name)
    return frozenset(blocked), frozenset(denied)


def read_modules(host: Host, release: str, config: Known[KernelConfig]) -> tuple[Module, ...]:
    """The state of every module in ``MODULES``, in its order."""
    loaded = host.read("/proc/modules")
    # Without loadable modules in the kernel the file is not there: everything is built in or not.
    modular = not (isinstance(loaded, Unknown) and loaded.reason == "absent")
    names = frozenset() if isinstance(loaded, Unknown) else parse_loaded(loaded)
    directory = f"/lib/modules/{release}"
    builtin = _index(host, f"{directory}/modules.builtin")
    loadable = _index(host, f"{directory}/modules.dep") if modular else frozenset()
    blocked, denied = _forbidden(host) if modular else ({}, {})
    found = []
    for name in MODULES:
        works = host.exists(MODULES[name][1])
        state, evidence = _state(name, works, names, builtin, loadable, config, directory)
        found.append(
            Module(name, state, evidence, blocked.get(name, ""), denied.get(name, ""))
            if modular
            else Module(name, state, evidence)
        )
    return tuple(found)


def _state(
    name: str,
    works: bool,
    loaded: frozenset[str],
    builtin: frozenset[str] | None,
    loadable: frozenset[str] | None,
    config: Known[KernelConfig],
    directory: str,
) -> tuple[str, str]:
    option, place = MODULES[name]
    either = {name, OLD_NAMES.get(name, name)}
    if either & loaded:
        return "loaded", "/proc/modules"
    if builtin is not None and either & builtin:
        return "builtin", f"{directory}/modules.builtin"
    if works:
        return "builtin", place
    wanted = None if isinstance(config, Unknown) else config.options.get(option)
    if not isinstance(config, Unknown) and wanted == "y":
        return "builtin", f"CONFIG_{option}=y in {config.path}"
    if loadable is not None and either & loadable:
        return "loadable", f"{directory}/modules.dep"
    if not isinstance(config, Unknown) and wanted == "n":
        return "absent", f"CONFIG_{option} is not set in {config.path}"
    if loadable is None or (builtin is None and wanted is None):
        return "unknown", f"there is no index of modules in {directory}"
    return "absent", f"it is not in {directory}/modules.dep"


def _index(host: Host, path: str) -> frozenset[str] | None:
    """The names in an index, None where it cannot be read."""
    data = host.read_bytes(path, _INDEX_LIMIT_BYTES)
    return None if isinstance(data, Unknown) else parse_index(data)


def _forbidden(host: Host) -> tuple[dict[str, str], dict[str, str]]:
    """Name -> the modprobe.d file that blocks it, and the one that blacklists it."""
    blocked: dict[str, str] = {}
    denied: dict[str, str] = {}
    for path in dropins(host, _MODPROBE_DIRECTORIES):
        text = host.read(path)
        if isinstance(text, Unknown) or ("install" not in text and "blacklist" not in text):
            continue
        refused, listed = parse_modprobe(text)
        blocked.update(dict.fromkeys(refused & MODULES.keys(), path))
        denied.update(dict.fromkeys(listed & MODULES.keys(), path))
    return blocked, denied

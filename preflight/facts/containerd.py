"""containerd's configuration: config.toml with its imports, layouts 1 to 4, defaults filled in.

Source: https://github.com/containerd/containerd/blob/main/docs/man/containerd-config.toml.5.md
and cmd/containerd/server/config/config.go (the order of imports and how they are merged).
"""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Callable
from typing import NamedTuple

from preflight.facts.model import Unknown
from preflight.facts.model.runtime import RuntimeConfig, socket_path
from preflight.facts.tomlfile import Read, Table, line_of, parse_toml, string, strings, table

DEFAULT_PATH = "/etc/containerd/config.toml"
DEFAULT_SOCKET = "/run/containerd/containerd.sock"
DEFAULT_PLUGIN_DIRS = ("/opt/cni/bin",)
DEFAULT_CONF_DIR = "/etc/cni/net.d"
_FILES_LIMIT = 64

# Where CRI's settings are, by layout. Anything below another name is ignored without a word.
_SECTIONS = {
    1: ("cri", "io.containerd.grpc.v1.cri"),
    2: ("io.containerd.grpc.v1.cri",),
    3: ("io.containerd.cri.v1.runtime",),
    4: ("io.containerd.cri.v1.runtime",),
}
_DISABLING = {"cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime"}


class File(NamedTuple):
    """A configuration file as read: its place, its text and its tables."""

    path: str
    text: str
    tables: Table


class Unusable(Exception):
    """A file of the configuration may not be read, or containerd could not load it either."""


def config_argument(command: str) -> str:
    """``containerd --config /x.toml`` -> ``/x.toml``; empty where the command names none."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    for index, word in enumerate(words[1:], 1):
        if word in ("-c", "--config"):
            return words[index + 1] if index + 1 < len(words) else ""
        name, equals, value = word.partition("=")
        if equals and name in ("-c", "--config"):
            return value
    return ""


def read_config(
    path: str,
    read: Read,
    *,
    merge: bool | None = None,
    find: Callable[[str], list[str]] = glob.glob,
) -> RuntimeConfig:
    """The configuration that starts at ``path``; the defaults where that file is not there.

    ``merge``: whether an import adds to a plugin's settings (containerd 2) or takes their place
    (containerd 1); None: as the layout of the main file lets expect. ``find`` lists the files of a
    glob pattern.
    """
    try:
        files = _load(path, read, find)
    except Unusable as problem:
        return RuntimeConfig("containerd", path, "", (), "", socket="", error=str(problem))
    return effective(files, merge=merge)


def _load(path: str, read: Read, find: Callable[[str], list[str]]) -> list[File]:
    """The files in the order in which containerd merges them: breadth first, each one once."""
    files: list[File] = []
    seen: set[str] = set()
    pending = [path]
    while pending and len(files) < _FILES_LIMIT:
        place = pending.pop(0)
        if place in seen:
            continue
        seen.add(place)
        text = read(place)
        if isinstance(text, Unknown):
            if not files and text.reason == "absent":
                return []
            raise Unusable(text.message)
        try:
            tables = parse_toml(text)
        except ValueError as error:
            raise Unusable(f"{place} is not TOML: {error}") from None
        files.append(File(place, text, tables))
        for name in strings(tables.get("imports")):
            target = os.path.normpath(os.path.join(os.path.dirname(place), name))
            pending += sorted(find(target)) if "*" in target else [target]
    return files


def effective(files: list[File], *, merge: bool | None = None) -> RuntimeConfig:
    """What containerd does with these files, the main one first. None at all: its defaults."""
    layout = _layout(files[0].tables, 1) if files else 0
    merge = layout >= 3 if merge is None else merge
    cri: Table = {}
    sections: list[tuple[str, Table]] = []
    address, disabled_at = DEFAULT_SOCKET, ""
    for index, file in enumerate(files):
        if _DISABLING & set(strings(file.tables.get("disabled_plugins"))):
            line = line_of(file.text, "disabled_plugins", containing=_DISABLING)
            disabled_at = disabled_at or f"{file.path}:{line}"
        address = _address(file.tables, address)
        for name in _sections(file.tables, layout, main=index == 0):
            section = table(file.tables, "plugins", name)
            if section:
                cri = _merged(cri, section) if merge else section
                sections.append((file.path, section))
    cni = table(cri, "cni")
    several = strings(cni.get("bin_dirs"))
    maximum = cni.get("max_conf_num")
    return RuntimeConfig(
        "containerd",
        files[0].path if files else "",
        _driver(cri),
        several or (string(cni.get("bin_dir"), DEFAULT_PLUGIN_DIRS[0]),),
        string(cni.get("conf_dir"), DEFAULT_CONF_DIR),
        cri_disabled=bool(disabled_at),
        max_conf_num=maximum if type(maximum) is int else 1,
        socket=socket_path(address),
        layout=layout,
        disabled_at=disabled_at,
        driver_at=_driver_at(cri, sections),
    )


def _layout(tables: Table, default: int) -> int:
    version = tables.get("version")
    return version if type(version) is int and version > 0 else default


def _sections(tables: Table, layout: int, *, main: bool) -> tuple[str, ...]:
    own = _layout(tables, 0)
    if not own and not main:
        # An import may leave its version out; it is then read like the main file.
        own = layout
    return _SECTIONS.get(own or 1, _SECTIONS[4])


def _address(tables: Table, before: str) -> str:
    newer = table(tables, "plugins", "io.containerd.server.v1.grpc")
    return string(newer.get("address"), string(table(tables, "grpc").get("address"), before))


def _merged(old: Table, new: Table) -> Table:
    both = dict(old)
    for key, value in new.items():
        before = both.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            both[key] = _merged(before, value)
        else:
            both[key] = value
    return both


def _runtime(cri: Table) -> str:
    return string(table(cri, "containerd").get("default_runtime_name"), "runc")


def _options(cri: Table, name: str) -> Table:
    return table(cri, "containerd", "runtimes", name, "options")


def _driver(cri: Table) -> str:
    systemd = _options(cri, _runtime(cri)).get("SystemdCgroup") is True
    return "systemd" if systemd or cri.get("systemd_cgroup") is True else "cgroupfs"


def _driver_at(cri: Table, sections: list[tuple[str, Table]]) -> str:
    """The last file that sets SystemdCgroup of the runtime in use."""
    name = _runtime(cri)
    places = [path for path, section in sections if "SystemdCgroup" in _options(section, name)]
    return places[-1] if places else ""

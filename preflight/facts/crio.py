"""CRI-O's configuration: crio.conf with its drop-ins, defaults filled in.

Source: https://github.com/cri-o/cri-o/blob/main/docs/crio.conf.5.md
"""

from __future__ import annotations

from collections.abc import Mapping

from preflight.facts.containerd import DEFAULT_CONF_DIR, DEFAULT_PLUGIN_DIRS
from preflight.facts.model import Known, Unknown
from preflight.facts.model.runtime import RuntimeConfig, socket_path
from preflight.facts.tomlfile import Read, Table, parse_toml, string, strings, table

MAIN_PATH = "/etc/crio/crio.conf"
# In the order in which they are applied; later files win, key by key.
DROP_IN_DIRS = ("/etc/crio/crio.conf.d",)
DEFAULT_SOCKET = "/run/crio/crio.sock"


def read_config(read: Read, names: Mapping[str, Known[tuple[str, ...]]]) -> RuntimeConfig:
    """``names``: what is in each of ``DROP_IN_DIRS``. No file at all: the defaults."""
    paths = [MAIN_PATH]
    for directory in DROP_IN_DIRS:
        found = names.get(directory, ())
        if isinstance(found, Unknown):
            if found.reason != "absent":
                return _unusable(directory, found.message)
            continue
        paths += [f"{directory}/{name}" for name in sorted(found)]
    files: list[tuple[str, Table]] = []
    for path in paths:
        text = read(path)
        if isinstance(text, Unknown):
            if text.reason == "absent":
                continue
            return _unusable(path, text.message)
        try:
            files.append((path, parse_toml(text)))
        except ValueError as error:
            return _unusable(path, f"{path} is not TOML: {error}")
    return effective(files)


def _unusable(path: str, problem: str) -> RuntimeConfig:
    return RuntimeConfig("crio", path, "", (), "", error=problem)


def effective(files: list[tuple[str, Table]]) -> RuntimeConfig:
    """What CRI-O does with these files, in the order in which it reads them."""
    api: Table = {}
    runtime: Table = {}
    network: Table = {}
    driver_at = ""
    for path, tables in files:
        crio = table(tables, "crio")
        api |= table(crio, "api")
        runtime |= table(crio, "runtime")
        network |= table(crio, "network")
        if "cgroup_manager" in table(crio, "runtime"):
            driver_at = path
    single = network.get("plugin_dir")
    directories = strings(network.get("plugin_dirs")) or (
        (single,) if isinstance(single, str) and single else DEFAULT_PLUGIN_DIRS
    )
    return RuntimeConfig(
        "crio",
        files[0][0] if files else "",
        string(runtime.get("cgroup_manager"), "systemd"),
        tuple(directory.rstrip("/") or "/" for directory in directories),
        string(network.get("network_dir"), DEFAULT_CONF_DIR).rstrip("/") or "/",
        default_network=string(network.get("cni_default_network"), ""),
        socket=socket_path(string(api.get("listen"), DEFAULT_SOCKET)),
        driver_at=driver_at,
    )

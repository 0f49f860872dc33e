"""CNI configuration files as the runtimes read them. Pure.

A file is loaded as libcni loads it (https://github.com/containernetworking/cni/blob/main/libcni/conf.go):
the same files are refused, for the same reasons.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

from rules.record import record

# https://github.com/containernetworking/cni/blob/main/CHANGELOG.md and SPEC.md "Released versions".
SPEC_VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
# What a plugin takes for granted where the file has no cniVersion (libcni and skel).
UNSAID_VERSION = "0.1.0"
# Kubernetes asks for 0.4.0 or later of a network plugin:
# https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/network-plugins/
KUBERNETES_VERSION_FLOOR = "0.4.0"
EXTENSIONS = (".conf", ".conflist", ".json")
LIST_EXTENSION = ".conflist"
# libcni's utils.ValidateNetworkName; container ids follow the same rule.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")
# libcni's utils.ValidateInterfaceName, and IFNAMSIZ of the kernel.
INTERFACE_NAME_LIMIT = 15
# libcni caches a result as <network>-<container id>-<interface>, ids of runtimes have 64 digits,
# and no file name has more than 255 bytes.
NETWORK_NAME_LIMIT = 255 - len("-") - 64 - len("-") - INTERFACE_NAME_LIMIT


class LoadError(Exception):
    """A runtime refuses the file; ``str()`` says why, in one line."""


@record
class NetworkConfig:
    """A network configuration as a runtime holds it; a single plugin is a list of one.

    ``version`` is empty where the file has none. ``versions`` are the further ``cniVersions``
    (read by libcni 1.2 and newer only). ``body`` is the whole file, ``plugins`` its plugin
    objects as written. ``is_list``: whether the file has the list form.
    """

    path: str
    name: str
    version: str
    versions: tuple[str, ...]
    plugins: tuple[dict[str, Any], ...]
    body: dict[str, Any]
    is_list: bool

    @property
    def chain(self) -> tuple[str, ...]:
        """The types of the plugins in order, without IPAM."""
        return tuple(str(plugin["type"]) for plugin in self.plugins)

    @property
    def types(self) -> tuple[str, ...]:
        """Every program that the chain runs, each once: plugins, their delegates, their IPAM."""
        return tuple(dict.fromkeys(kind for plugin in self.plugins for kind in _programs(plugin)))

    def ipams(self) -> Iterator[dict[str, Any]]:
        """The ``ipam`` objects of the plugins and of their delegates."""
        for plugin in self.plugins:
            for holder in (plugin, delegate(plugin)):
                if isinstance(ipam := holder.get("ipam"), dict):
                    yield ipam


def delegate(plugin: dict[str, Any]) -> dict[str, Any]:
    """What a plugin hands to another one (flannel: to bridge); empty where it hands on nothing.

    flannel's own default for ``delegate.type`` is bridge
    (https://github.com/flannel-io/cni-plugin/blob/main/README.md).
    """
    if plugin.get("type") != "flannel":
        return {}
    value = plugin.get("delegate")
    said: dict[str, Any] = value if isinstance(value, dict) else {}
    return {"type": "bridge", "ipam": {"type": "host-local"}, **said}


def version_key(version: str) -> tuple[int, ...]:
    """``1.0.0`` -> (1, 0, 0) for comparing; () for anything else."""
    return tuple(map(int, version.split("."))) if re.fullmatch(r"\d+\.\d+\.\d+", version) else ()


def effective_version(network: NetworkConfig, newest: str) -> str:
    """The version that a runtime which knows up to ``newest`` speaks to the plugins.

    libcni 1.2 (CNI 1.1.0) takes the highest that it knows of cniVersion and cniVersions; older
    ones read cniVersion alone. Empty where the file has neither.
    """
    said = [network.version] if network.version else []
    if version_key(newest) >= version_key("1.1.0"):
        said += network.versions
        usable = [item for item in said if () < version_key(item) <= version_key(newest)]
        return max(usable, key=version_key) if usable else network.version
    return network.version


def valid_name(name: str) -> bool:
    """Whether libcni accepts it as a network name or container id."""
    return _NAME.fullmatch(name) is not None


def valid_interface(name: str) -> bool:
    """Whether libcni and the kernel accept it as an interface name."""
    return (
        0 < len(os.fsencode(name)) <= INTERFACE_NAME_LIMIT
        and name not in (".", "..")
        and not re.search(r"[/:\s]", name)
    )


def plain_interface(name: str) -> bool:
    """Whether it is one that scripts, sysctls and `ip -j` take as it is, too."""
    return (
        valid_interface(name)
        and name not in ("all", "default")
        and re.fullmatch(r"[A-Za-z0-9_.@+=-]+", name) is not None
    )


def parse_json(text: str) -> Any:
    """JSON as Go reads it: no NaN, no byte order mark, no endless nesting. Raises LoadError."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise LoadError(f"is not JSON: line {error.lineno}: {error.msg.lower()}") from None
    except (RecursionError, ValueError) as error:
        raise LoadError(f"is not JSON: {error}") from None


def load(path: str, text: str) -> NetworkConfig:
    """The network of a file, by its extension a list or a single plugin. Raises LoadError."""
    if not text.strip():
        raise LoadError("is empty")
    body = parse_json(text)
    if not isinstance(body, dict):
        raise LoadError("holds no JSON object")
    return _load_list(path, body) if path.endswith(LIST_EXTENSION) else _load_single(path, body)


def _load_list(path: str, body: dict[str, Any]) -> NetworkConfig:
    if "name" not in body:
        raise LoadError("has no name")
    _require(body, "name", str, "text")
    _require(body, "cniVersion", str, "text")
    if "plugins" not in body:
        single = " (it is a single plugin: give it a name that ends in .conf)"
        raise LoadError(f"has no plugins{single if 'type' in body else ''}")
    _require(body, "plugins", list, "a list")
    if not body["plugins"]:
        raise LoadError("has an empty list of plugins")
    for index, plugin in enumerate(body["plugins"]):
        _check_plugin(plugin, f"plugins[{index}]")
    return _network(path, body, tuple(body["plugins"]), is_list=True)


def _load_single(path: str, body: dict[str, Any]) -> NetworkConfig:
    if "type" not in body and "plugins" in body:
        raise LoadError("has no type (it is a list: give it a name that ends in .conflist)")
    _check_plugin(body, "")
    # go-cni and ocicni turn a single plugin into a list, which needs no name of its own.
    return _network(path, body, (body,), is_list=False)


def _network(
    path: str, body: dict[str, Any], plugins: tuple[dict[str, Any], ...], *, is_list: bool
) -> NetworkConfig:
    further = body.get("cniVersions")
    return NetworkConfig(
        path=path,
        name=str(body.get("name") or ""),
        version=str(body.get("cniVersion") or ""),
        versions=tuple(map(str, further)) if isinstance(further, list) else (),
        plugins=plugins,
        body=body,
        is_list=is_list,
    )


def _check_plugin(plugin: Any, place: str) -> None:
    """What libcni decodes of every plugin: a wrong type there refuses the whole file."""
    prefix = f"{place}." if place else ""
    if not isinstance(plugin, dict):
        raise LoadError(f"{place or 'the file'} is not an object")
    if not plugin.get("type"):
        raise LoadError(f"has no {prefix}type")
    for key, kind, word in (
        ("type", str, "text"),
        ("name", str, "text"),
        ("cniVersion", str, "text"),
        ("capabilities", dict, "an object"),
        ("ipam", dict, "an object"),
        ("dns", dict, "an object"),
    ):
        _require(plugin, key, kind, word, prefix)
    for name, value in (plugin.get("capabilities") or {}).items():
        if not isinstance(value, bool):
            raise LoadError(f"{prefix}capabilities.{name} is neither true nor false")
    _require(plugin.get("ipam") or {}, "type", str, "text", f"{prefix}ipam.")


def _require(body: dict[str, Any], key: str, kind: type, word: str, prefix: str = "") -> None:
    # Go leaves a field alone where JSON says null.
    value = body.get(key)
    if value is not None and not isinstance(value, kind):
        raise LoadError(f"{prefix}{key} is not {word}")


def _programs(plugin: dict[str, Any]) -> Iterator[str]:
    yield str(plugin["type"])
    inner = delegate(plugin)
    if inner:
        yield str(inner.get("type"))
    for holder in (plugin, inner):
        ipam = holder.get("ipam")
        if isinstance(ipam, dict) and ipam.get("type"):
            yield str(ipam["type"])


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON knows")

"""ADD, CHECK and DEL of a whole network, as libcni does it for a runtime.

Each plugin gets its own object of the file with the network's name and version, the result of
the one before (``prevResult``), and those capabilities that it declares (``runtimeConfig``).
ADD, CHECK and STATUS go through the chain in order, DEL in reverse. GC is not sent: only a runtime
knows that no ADD is on its way meanwhile, which the specification asks for. Source: SPEC.md and
libcni/api.go of https://github.com/containernetworking/cni.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from preflight.cni import cache
from preflight.cni.attachment import Attachment, environment, validate
from preflight.cni.failure import PluginFailure
from preflight.cni.plugin import call, find_plugin
from preflight.cni.spec import (
    SPEC_VERSIONS,
    UNSAID_VERSION,
    NetworkConfig,
    effective_version,
    valid_name,
    version_key,
)
from rules.errors import EXIT_FAILED, CommandError, ConfigError, NodeprepError
from rules.record import record

# CHECK, and prevResult for DEL, came with this version.
_CHECK_SINCE = version_key("0.4.0")
_STATUS_SINCE = version_key("1.1.0")


class CheckUnsupported(NodeprepError):
    """The configuration's version has no CHECK."""

    exit_code = EXIT_FAILED


@record
class Caller:
    """Where a caller of plugins finds them and keeps results."""

    plugin_dirs: tuple[str, ...]
    cache_dir: str = cache.DEFAULT_CACHE_DIR


def add(network: NetworkConfig, attachment: Attachment, caller: Caller) -> dict[str, Any]:
    """Puts the container into the network; the final result, which is then in the cache.

    Raises PluginFailure, after a DEL of what the failed chain left half made (SPEC.md: "a failed
    ADD must be followed by a DEL").
    """
    version = _prepare(network, attachment)
    fresh = not _known(network, attachment, caller)
    result: dict[str, Any] | None = None
    try:
        for plugin in network.plugins:
            result = _call("ADD", plugin, network, version, attachment, caller, result)
            if not result:
                raise PluginFailure(str(plugin["type"]), "ADD", 0, "printed no result")
        cache.write(network.name, network.body, attachment, result or {}, caller.cache_dir)
    except NodeprepError as error:
        if fresh:
            _undo(network, attachment, caller, error)
        raise
    return result or {}


def _known(network: NetworkConfig, attachment: Attachment, caller: Caller) -> bool:
    """Whether an earlier ADD stands, which the DEL after a failed second one would take away."""
    try:
        return cache.read(network.name, attachment, caller.cache_dir) is not None
    except cache.CacheError:
        return True


def _undo(
    network: NetworkConfig, attachment: Attachment, caller: Caller, error: NodeprepError
) -> None:
    """The DEL after a failed ADD. What it cannot take away is said beside the first error."""
    try:
        delete(network, attachment, caller)
    except (PluginFailure, CommandError, cache.CacheError) as second:
        error.args = (f"{error}; and the DEL after it failed too: {second}",)


def delete(network: NetworkConfig, attachment: Attachment, caller: Caller) -> bool:
    """Takes the container out; whether the cache knew it. Succeeds where nothing is left.

    Every plugin is called although an earlier one fails, so that as little as possible stays;
    the first failure is raised then, and the cache keeps the result for another try.
    """
    version = _prepare(network, attachment)
    previous: dict[str, Any] | None = None
    if version_key(version) >= _CHECK_SINCE:
        try:
            previous = _result(cache.read(network.name, attachment, caller.cache_dir))
        except cache.CacheError:
            previous = None  # as libcni: a damaged entry must not keep a pod from ending
    failures = [
        failure
        for plugin in reversed(network.plugins)
        if (failure := _failure(plugin, network, version, attachment, caller, previous))
    ]
    if failures:
        raise failures[0]
    return cache.remove(network.name, attachment, caller.cache_dir)


def _failure(
    plugin: Mapping[str, Any],
    network: NetworkConfig,
    version: str,
    attachment: Attachment,
    caller: Caller,
    previous: Mapping[str, Any] | None,
) -> NodeprepError | None:
    """What went wrong in one plugin's DEL; None for nothing."""
    try:
        _call("DEL", plugin, network, version, attachment, caller, previous)
    except (PluginFailure, CommandError) as error:
        return error
    return None


def check(network: NetworkConfig, attachment: Attachment, caller: Caller) -> bool:
    """Asks every plugin whether the container's network is as it made it.

    False where the file says ``disableCheck`` and nobody was asked. Raises CheckUnsupported for a
    version without CHECK, CacheError where no result is known, PluginFailure for what is wrong.
    """
    version = _prepare(network, attachment)
    if version_key(version) < _CHECK_SINCE:
        raise CheckUnsupported(f"{network.path}: cniVersion {version} has no CHECK (0.4.0 has)")
    if check_disabled(network):
        return False
    found = cache.read(network.name, attachment, caller.cache_dir)
    previous = _result(found)
    if previous is None:
        path = cache.cache_path(network.name, attachment, caller.cache_dir)
        raise cache.CacheError(f"{path}: is not there: no ADD of this container is known")
    for plugin in network.plugins:
        _call("CHECK", plugin, network, version, attachment, caller, previous)
    return True


def status(network: NetworkConfig, caller: Caller) -> bool:
    """Asks every plugin whether it could take a pod now.

    False for a version without STATUS, where nobody was asked. Raises PluginFailure (code 50 or
    51) where one could not.
    """
    version = network_version(network)
    if version_key(version) < _STATUS_SINCE:
        return False
    nobody = Attachment("", "", "")
    for plugin in network.plugins:
        _call("STATUS", plugin, network, version, nobody, caller, None)
    return True


def check_disabled(network: NetworkConfig) -> bool:
    """``disableCheck``, which libcni takes as text too. Raises ConfigError for another value."""
    value = network.body.get("disableCheck", False)
    words = {True: True, False: False, "true": True, "false": False}
    if not isinstance(value, (bool, str)) or value not in words:
        raise ConfigError(network.path, f"is neither true nor false: {value!r}", key="disableCheck")
    return words[value]


def plugin_config(
    plugin: Mapping[str, Any],
    network: NetworkConfig,
    version: str,
    capabilities: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What one plugin of the chain gets on its stdin."""
    config = {**plugin, "name": network.name, "cniVersion": version}
    declared = plugin.get("capabilities") or {}
    offered = {key: value for key, value in capabilities.items() if declared.get(key) is True}
    if offered:
        config["runtimeConfig"] = offered
    if previous is not None:
        config["prevResult"] = previous
    return config


def network_version(network: NetworkConfig) -> str:
    """The version that is spoken to the plugins: the newest of the file's that exists."""
    return effective_version(network, SPEC_VERSIONS[-1]) or UNSAID_VERSION


def _prepare(network: NetworkConfig, attachment: Attachment) -> str:
    validate(attachment)
    if not valid_name(network.name):
        raise ConfigError(network.path, f"is no network name: {network.name!r}", key="name")
    return network_version(network)


def _call(
    command: str,
    plugin: Mapping[str, Any],
    network: NetworkConfig,
    version: str,
    attachment: Attachment,
    caller: Caller,
    previous: Mapping[str, Any] | None,
) -> dict[str, Any]:
    try:
        path = find_plugin(str(plugin["type"]), caller.plugin_dirs)
    except PluginFailure as error:
        raise PluginFailure(error.plugin, command, error.code, error.message) from None
    config = plugin_config(plugin, network, version, attachment.capabilities, previous)
    return call(path, environment(command, attachment, caller.plugin_dirs), config)


def _result(entry: Mapping[str, Any] | None) -> dict[str, Any] | None:
    value = None if entry is None else entry.get("result")
    return value if isinstance(value, dict) else None

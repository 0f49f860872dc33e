"""What is wrong with a network configuration, although a runtime loads it. Pure.

The reference plugins ignore every key that they do not know, and runtimes report a node ready
whatever a file says: mistakes show when the first pod starts, or never.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from preflight.cni import lint_plugins, lint_ranges, lint_values
from preflight.cni.problem import WARNING, Context, Problem
from preflight.cni.schema import (
    COMMON,
    LIST_KEYS,
    PLUGINS,
    REFERENCE,
    RUNTIME_KEYS,
    RUNTIME_PREFIX,
    Key,
    keys_of,
)
from preflight.cni.spec import (
    KUBERNETES_VERSION_FLOOR,
    NETWORK_NAME_LIMIT,
    SPEC_VERSIONS,
    UNSAID_VERSION,
    NetworkConfig,
    delegate,
    effective_version,
    valid_name,
    version_key,
)

# A typing slip leaves most letters in place; below this ratio it is another word.
_NEAR = 0.72


def lint(network: NetworkConfig, context: Context | None = None) -> list[Problem]:
    """Every problem of a loaded configuration, in the order of the file."""
    context = context or Context()
    problems = [*_head(network), *_versions(network, context)]
    for index, plugin in enumerate(network.plugins):
        place = f"plugins[{index}]" if network.is_list else ""
        problems += _plugin(plugin, place, index, network, context)
        inner = delegate(plugin)
        if inner:
            problems += _plugin(inner, _join(place, "delegate"), 0, network, context)
    problems += lint_ranges.families(network, context)
    return problems


def _head(network: NetworkConfig) -> Iterator[Problem]:
    if not network.name:
        yield Problem(
            "name",
            "name",
            "the network has no name, and libcni refuses to run it",
            'add "name": "pods"',
        )
    elif not valid_name(network.name):
        yield Problem(
            "name",
            "name",
            f"{network.name!r} is no network name: letters, digits, _ . and - only, and the "
            "first one is a letter or digit",
            'write "name": "pods", say',
        )
    elif len(network.name) > NETWORK_NAME_LIMIT:
        yield Problem(
            "name",
            "name",
            f"the name has {len(network.name)} letters; with more than {NETWORK_NAME_LIMIT} libcni "
            "cannot keep the results of pods, and no pod starts",
            "write a shorter name",
        )
    if not network.is_list:
        return
    yield from _unknown_keys(network.body, LIST_KEYS, "", exact=True)
    for name in ("disableCheck", "disableGC", "loadOnlyInlinedPlugins"):
        if name in network.body and not isinstance(network.body[name], bool):
            yield Problem(
                "kind", name, f"{name} is neither true nor false", f'write "{name}": true'
            )


def _versions(network: NetworkConfig, context: Context) -> Iterator[Problem]:
    version = effective_version(network, context.newest_spec)
    foreign = not REFERENCE.intersection(network.types)
    if not version:
        yield Problem(
            "cni-version-missing",
            "cniVersion",
            f"no cniVersion, so that plugins take it for {UNSAID_VERSION}, whose answers "
            "runtimes do not all read",
            'add "cniVersion": "1.0.0"',
            *([WARNING] if foreign else []),
        )
        return
    if version not in SPEC_VERSIONS:
        yield Problem(
            "cni-version",
            "cniVersion",
            f"{version!r} is no version of CNI (they are {', '.join(SPEC_VERSIONS)})",
            'write "cniVersion": "1.0.0"',
        )
        return
    if version_key(version) > version_key(context.newest_spec):
        yield Problem(
            "cni-version-runtime",
            "cniVersion",
            f"cniVersion {version}, and {context.runtime} reads versions up to "
            f"{context.newest_spec}: it loads the file, and no pod starts",
            f'write "cniVersion": "{context.newest_spec}"',
        )
    elif version_key(version) < version_key(KUBERNETES_VERSION_FLOOR):
        yield Problem(
            "cni-version-old",
            "cniVersion",
            f"cniVersion {version}, and Kubernetes asks for {KUBERNETES_VERSION_FLOOR} or later",
            'write "cniVersion": "1.0.0"',
            WARNING,
        )
    yield from _spoken(network, version, context)


def _spoken(network: NetworkConfig, version: str, context: Context) -> Iterator[Problem]:
    """Plugins of the chain that do not speak the version of the file."""
    spoken = {kind: _specs(kind, version, context) for kind in network.types}
    deaf = [kind for kind, specs in spoken.items() if specs is not None and version not in specs]
    if not deaf:
        return
    usable = {
        item for item in SPEC_VERSIONS if version_key(item) <= version_key(context.newest_spec)
    }
    for specs in spoken.values():
        usable &= set(specs) if specs is not None else usable
    best = max(usable, key=version_key, default="")
    names = ", ".join(deaf)
    wanted = f'write "cniVersion": "{best}", or ' if best else ""
    yield Problem(
        "cni-version-plugin",
        "cniVersion",
        f"cniVersion {version}, and {names} {'does' if len(deaf) == 1 else 'do'} not speak it "
        f"({'all speak' if len(spoken) > 1 else 'speaks'} {best or 'no version in common'}): "
        "every pod fails to start",
        f"{wanted}install another release of {names}",
    )


def _specs(kind: str, version: str, context: Context) -> tuple[str, ...] | None:
    """What a plugin speaks: as it answered, else as its source says; None where not known."""
    spoken = context.plugin_specs.get(kind)
    if spoken is not None:
        return spoken
    schema = PLUGINS.get(kind)
    if schema is not None and version_key(version) < version_key(schema.oldest_spec):
        return SPEC_VERSIONS[SPEC_VERSIONS.index(schema.oldest_spec) :]
    return None


def _plugin(
    plugin: dict[str, Any], place: str, index: int, network: NetworkConfig, context: Context
) -> Iterator[Problem]:
    kind = str(plugin["type"])
    keys = keys_of(kind)
    yield from _no_path(kind, place)
    yield from _runtime_keys(plugin, place)
    if keys is not None:
        # A single plugin carries the keys of the list too, as its own.
        allowed = keys if network.is_list else {**LIST_KEYS, **keys}
        yield from _unknown_keys(plugin, allowed, place)
        yield from lint_values.values(plugin, keys, place)
    else:
        yield from lint_values.values(plugin, COMMON, place)
    yield from _too_new(plugin, keys or {}, place, context)
    yield from lint_plugins.judge(plugin, place, index, network, context)
    ipam = plugin.get("ipam")
    if isinstance(ipam, dict) and ipam.get("type"):
        yield from _ipam(ipam, _join(place, "ipam"), plugin, context)


def _ipam(
    ipam: dict[str, Any], place: str, plugin: dict[str, Any], context: Context
) -> Iterator[Problem]:
    kind = str(ipam["type"])
    keys = keys_of(kind)
    yield from _no_path(kind, place)
    # Calico and Antrea rewrite or extend what host-local gets.
    if keys is not None and keys_of(str(plugin["type"])) is not None:
        yield from _unknown_keys(ipam, keys, place)
        yield from lint_values.values(ipam, keys, place)
    if kind == "host-local":
        yield from lint_ranges.host_local(ipam, place, plugin, context)
    elif kind == "static":
        yield from lint_ranges.static(ipam, place, plugin)


def _no_path(kind: str, place: str) -> Iterator[Problem]:
    """libcni looks for a plugin by its name, in the plugin directories and nowhere else."""
    if "/" in kind or kind in (".", ".."):
        yield Problem(
            "plugin-name",
            _join(place, "type"),
            f"{kind!r} is a path and no name of a plugin: no runtime runs it",
            "write the plugin's name, as bridge",
        )


def _runtime_keys(plugin: dict[str, Any], place: str) -> Iterator[Problem]:
    for key in plugin:
        if key in RUNTIME_KEYS or key.startswith(RUNTIME_PREFIX):
            yield Problem(
                "runtime-key",
                _join(place, key),
                f"{key} is what the runtime makes for each pod, and it may not be in a file",
                f"take {key} out",
            )
        elif key == "args":
            yield Problem(
                "runtime-key",
                _join(place, key),
                "args holds for every pod alike here, and is meant to be made for each pod",
                "take args out",
                WARNING,
            )


def _unknown_keys(
    body: dict[str, Any], keys: dict[str, Key], place: str, *, exact: bool = False
) -> Iterator[Problem]:
    lowered = {key.lower(): key for key in keys}
    for key, value in body.items():
        known = key in keys if exact else key.lower() in lowered
        if known:
            item = keys.get(key if exact else lowered[key.lower()])
            if item is not None and item.item is not None:
                yield from _inner_keys(value, item.item, _join(place, key))
            continue
        # What runtimes make is judged above; a leading _ or # is how people write comments.
        if key in (*RUNTIME_KEYS, "args") or key.startswith((RUNTIME_PREFIX, "_", "#", "//")):
            continue
        near = get_close_matches(key.lower(), lowered, 1, cutoff=_NEAR)
        if near:
            wanted = lowered[near[0]]
            yield Problem(
                "unknown-key",
                _join(place, key),
                f"{key} is no key of it, and is silently ignored; the nearest one is {wanted}",
                f"write {wanted}",
            )
        else:
            yield Problem(
                "unknown-key",
                _join(place, key),
                f"{key} is no key of it, and is silently ignored",
                f"take {key} out",
                WARNING,
            )


def _inner_keys(value: Any, keys: dict[str, Key], place: str) -> Iterator[Problem]:
    if isinstance(value, dict):
        yield from _unknown_keys(value, keys, place)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield from _unknown_keys(item, keys, f"{place}[{index}]")


def _too_new(
    plugin: dict[str, Any], keys: dict[str, Key], place: str, context: Context
) -> Iterator[Problem]:
    """Keys that the installed plugin is too old to read: it ignores them.

    What VERSION names tells the age apart at one point: 1.1.0 came with release 1.6.0.
    """
    spoken = context.plugin_specs.get(str(plugin["type"]))
    if spoken is None or "1.1.0" in spoken:
        return
    for key in plugin:
        since = keys[key].since if key in keys else ""
        if since and version_key(since) >= version_key("1.6.0"):
            yield Problem(
                "key-too-new",
                _join(place, key),
                f"{key} came with release {since} of the plugins, and the {plugin['type']} "
                "here is older than 1.6.0 and ignores it",
                f"install release {since} or later of the plugins",
                WARNING,
            )


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key

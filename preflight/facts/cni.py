"""The pod network's files, plugins and leftovers: all of ``Cni``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from preflight.cni.products import NETWORK_MANAGER_DIRS, NETWORK_MANAGER_RUN, trace_paths
from preflight.cni.spec import NetworkConfig
from preflight.cni.winner import choose
from preflight.facts import cnifiles, cnistate
from preflight.facts.cri import candidates, pod_sandbox_ids
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.cni import Cni, CniCacheEntry, CniFile
from preflight.facts.model.runtime import RuntimeConfig
from preflight.facts.plugins import read_plugins
from preflight.facts.procs import process_names
from preflight.facts.runtimeconfigs import read_configs
from preflight.settings import Settings


def collect(host: Host, settings: Settings) -> Cni:
    """Reads it all; only plugins of the configuration in use are run, to ask for VERSION."""
    configs = read_configs(host, (), process_names())
    known = () if isinstance(configs, Unknown) else configs
    conf_dirs, plugin_dirs = cnifiles.directories(known)
    files = cnifiles.read_files(host, conf_dirs)
    networks = () if isinstance(files, Unknown) else winners(files, known)
    plugins = read_plugins(host, plugin_dirs, programs(host, networks, known))
    leases = cnistate.read_leases(host, lease_dirs(networks))
    cache = cnistate.read_cache(host)
    return Cni(
        conf_dirs=conf_dirs,
        plugin_dirs=plugin_dirs,
        files=files,
        plugins=plugins,
        leases=leases,
        cache=cache,
        live_containers=live(host, settings, anything=bool(leases) or bool(cache)),
        namespaces=_namespaces(host, cache),
        traces=cnistate.read_traces(host, trace_paths(), manager_dirs()),
    )


def _namespaces(host: Host, cache: Known[tuple[CniCacheEntry, ...]]) -> Known[tuple[str, ...]]:
    """Those with a name, and those of containers that have none."""
    pinned = cnistate.pinned_namespaces(host)
    if isinstance(pinned, Unknown) or isinstance(cache, Unknown):
        return pinned
    return (*pinned, *cnistate.process_namespaces(cache))


def winners(
    files: Iterable[CniFile], configs: tuple[RuntimeConfig, ...]
) -> tuple[tuple[NetworkConfig, tuple[str, ...]], ...]:
    """The network that each runtime takes, with the plugin directories that it looks in."""
    texts: Mapping[str, Known[str]] = {file.path: file.text for file in files}
    found = []
    for config in configs or (_default(),):
        if config.error:
            continue
        network = choose(
            texts,
            os.path.normpath(config.conf_dir),
            config.runtime,
            limit=config.max_conf_num,
            name=config.default_network,
        ).network
        if network is not None:
            found.append((network, config.plugin_dirs))
    return tuple(found)


def _default() -> RuntimeConfig:
    return RuntimeConfig(
        "containerd", "", "", cnifiles.DEFAULT_PLUGIN_DIRS, cnifiles.DEFAULT_CONF_DIR
    )


def programs(
    host: Host,
    networks: Iterable[tuple[NetworkConfig, tuple[str, ...]]],
    configs: tuple[RuntimeConfig, ...],
) -> set[str]:
    """The paths of the plugins that the chains run: of each the first in the directories."""
    paths: set[str] = set()
    for network, directories in networks:
        there = {directory: host.listdir(directory) for directory in directories}
        for kind in network.types:
            for directory, names in there.items():
                if not isinstance(names, Unknown) and kind in names:
                    paths.add(f"{os.path.normpath(directory)}/{kind}")
                    break
    return paths


def lease_dirs(networks: Iterable[tuple[NetworkConfig, tuple[str, ...]]]) -> tuple[str, ...]:
    """Where host-local keeps its leases: the usual place, and what the chains say."""
    said = [
        ipam["dataDir"]
        for network, _ in networks
        for ipam in network.ipams()
        if isinstance(ipam.get("dataDir"), str) and ipam["dataDir"].startswith("/")
    ]
    return tuple(dict.fromkeys([cnistate.DEFAULT_LEASE_DIR, *said]))


def manager_dirs() -> tuple[str, ...]:
    """NetworkManager's directories, where it runs."""
    return NETWORK_MANAGER_DIRS if os.path.isdir(NETWORK_MANAGER_RUN) else ()


def live(host: Host, settings: Settings, *, anything: bool) -> Known[tuple[str, ...]]:
    """The containers that live: those that run, and every pod that the runtime still keeps.

    The runtime is only asked where there is ``anything`` that a dead pod may have left.
    """
    running = cnistate.running_containers(host)
    if not anything:
        return running
    kept: list[str] = []
    refusals: list[Unknown] = []
    for socket in candidates(settings.cri_socket):
        answer = pod_sandbox_ids(socket)
        if not isinstance(answer, Unknown):
            kept += answer
        elif answer.reason != "absent":
            refusals.append(answer)
    if refusals:
        return refusals[0]
    if isinstance(running, Unknown):
        return tuple(kept) if kept else running
    return tuple(dict.fromkeys([*running, *kept]))

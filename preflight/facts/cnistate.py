"""What pods left behind on the node: leases, libcni's cache, and who still lives."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from preflight.facts.host import Host, unreadable
from preflight.facts.model import Known, Unknown
from preflight.facts.model.cni import CniCacheEntry, IpamLease

DEFAULT_LEASE_DIR = "/var/lib/cni/networks"
# libcni's own directory, and the one that kubelets before 1.24 gave it.
CACHE_DIRS = ("/var/lib/cni/results", "/var/lib/cni/cache/results")
CACHE_KIND = "cniCacheV1"
# A node has some hundred pods; a leak of more than this is judged by its first entries.
ENTRIES_LIMIT = 2000
_ENTRY_LIMIT_BYTES = 64 * 1024
# Where the runtimes keep a directory for each container that runs, named by its id; a * stands
# for every name. All are below /run and so empty after a reboot.
CONTAINER_DIRS = (
    "/run/containerd/io.containerd.runtime.v2.task/*",
    "/run/containerd/io.containerd.runtime.v1.linux/*",
    "/run/k3s/containerd/io.containerd.runtime.v2.task/*",
    "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/*",
    "/run/containers/storage/overlay-containers",
)
_OF_PROCESS = re.compile(r"/proc/[0-9]+/ns/net")
NAMESPACE_DIRS = ("/run/netns", "/run/docker/netns")


def read_leases(
    host: Host, directories: Iterable[str], *, limit: int | None = None
) -> Known[tuple[IpamLease, ...]]:
    """The leases of host-local below its data directories: ``<network>/<address>``."""
    leases: list[IpamLease] = []
    for directory in directories:
        networks = host.listdir(directory)
        if isinstance(networks, Unknown):
            if networks.reason == "absent":
                continue
            return networks
        for network in networks:
            names = host.listdir(f"{directory}/{network}")
            if isinstance(names, Unknown):
                if names.reason == "denied":
                    return names
                continue
            for name in names[: _most(limit) - len(leases)]:
                path = f"{directory}/{network}/{name}"
                if not _is_address(name) or os.path.islink(path):
                    continue  # host-local's own marks, and what somebody else put there
                lease = _lease(host, path, network)
                if isinstance(lease, Unknown):
                    if lease.reason == "denied":
                        return lease
                    continue
                leases.append(lease)
    return tuple(leases)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _most(limit: int | None) -> int:
    return ENTRIES_LIMIT if limit is None else limit


def parse_lease(text: str) -> str:
    """A lease file, ``<container id>CRLF<interface>`` (before 0.8: the id alone) -> the id."""
    lines = text.split()
    return lines[0] if lines else ""


def _lease(host: Host, path: str, network: str) -> Known[IpamLease]:
    text = host.read(path, _ENTRY_LIMIT_BYTES)
    if isinstance(text, Unknown):
        return text
    age = _age_s(path)
    if isinstance(age, Unknown):
        return age
    return IpamLease(network, path.rpartition("/")[2], parse_lease(text), age, path)


def read_cache(
    host: Host, directories: Iterable[str] | None = None, *, limit: int | None = None
) -> Known[tuple[CniCacheEntry, ...]]:
    """libcni's results. Files that are none of them are left out."""
    entries: list[CniCacheEntry] = []
    for directory in CACHE_DIRS if directories is None else directories:
        names = host.listdir(directory)
        if isinstance(names, Unknown):
            if names.reason == "absent":
                continue
            return names
        for name in names[: _most(limit) - len(entries)]:
            path = f"{directory}/{name}"
            text = host.read(path, _ENTRY_LIMIT_BYTES)
            if isinstance(text, Unknown):
                if text.reason == "denied":
                    return text
                continue
            age = _age_s(path)
            entry = None if isinstance(age, Unknown) else parse_cache_entry(text, path, age)
            if entry is not None:
                entries.append(entry)
    return tuple(entries)


def parse_cache_entry(text: str, path: str, age_s: float) -> CniCacheEntry | None:
    """A file of libcni's cache (kind cniCacheV1); None for anything else.

    ``netns`` was added with libcni 1.2; it is empty before.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or body.get("kind") != CACHE_KIND:
        return None
    return CniCacheEntry(
        network=str(body.get("networkName") or ""),
        container=str(body.get("containerId") or ""),
        interface=str(body.get("ifName") or ""),
        netns=str(body.get("netns") or ""),
        age_s=age_s,
        path=path,
    )


def running_containers(host: Host) -> Known[tuple[str, ...]]:
    """The ids of the containers that the runtimes keep a directory for."""
    found: list[str] = []
    for pattern in CONTAINER_DIRS:
        for directory in _expand(host, pattern):
            names = host.listdir(directory)
            if isinstance(names, Unknown):
                if names.reason == "denied":
                    return names
                continue
            found += names
    return tuple(dict.fromkeys(found))


def _expand(host: Host, pattern: str) -> Iterator[str]:
    if not pattern.endswith("/*"):
        yield pattern
        return
    base = pattern.removesuffix("/*")
    names = host.listdir(base)
    if isinstance(names, Unknown):
        # Handed on, so that a refusal is not taken for an empty directory.
        yield base
        return
    yield from (f"{base}/{name}" for name in names)


def process_namespaces(entries: Iterable[CniCacheEntry]) -> tuple[str, ...]:
    """The namespaces of libcni's results that are those of a process (Docker's containers).

    A process that has its number by now, and is in this host's own network, is not meant.
    """
    paths = {entry.netns for entry in entries if _OF_PROCESS.fullmatch(entry.netns)}
    return tuple(sorted(path for path in paths if _is_other_network(path)))


def _is_other_network(path: str) -> bool:
    try:
        return not os.path.samefile(path, "/proc/self/ns/net")
    except OSError:
        return False


def pinned_namespaces(host: Host) -> Known[tuple[str, ...]]:
    """The paths of the network namespaces that are bound to a name."""
    found: list[str] = []
    for directory in NAMESPACE_DIRS:
        names = host.listdir(directory)
        if isinstance(names, Unknown):
            # Docker's directory is for root alone, and its containers are none of Kubernetes.
            if names.reason == "denied" and directory == NAMESPACE_DIRS[0]:
                return names
            continue
        found += [f"{directory}/{name}" for name in names]
    return tuple(found)


def read_traces(
    host: Host, paths: Iterable[str], manager_dirs: Iterable[str] = ()
) -> Known[dict[str, str]]:
    """Those of ``paths`` that exist, with the text of a file (512 bytes at most).

    An empty directory does not count. ``manager_dirs``: NetworkManager's, whose files are in it
    with the lines that name unmanaged devices.
    """
    found: dict[str, str] = {}
    for path in paths:
        if not os.path.exists(path):
            continue
        if os.path.isdir(path):
            if host.listdir(path) != ():
                found[path] = ""
        else:
            text = host.read(path, 512) if os.path.isfile(path) else ""
            found[path] = "" if isinstance(text, Unknown) else text.strip()
    for directory in manager_dirs:
        names = host.listdir(directory)
        for name in () if isinstance(names, Unknown) else names:
            text = host.read(f"{directory}/{name}") if name.endswith(".conf") else ""
            lines = [] if isinstance(text, Unknown) else text.splitlines()
            if said := [line.strip() for line in lines if "unmanaged-devices" in line]:
                found[f"{directory}/{name}"] = said[-1]
    return found


def _age_s(path: str) -> Known[float]:
    try:
        return max(0.0, time.time() - os.stat(path).st_mtime)
    except OSError as error:
        return unreadable(path, error)

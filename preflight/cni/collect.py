"""Collecting what dead pods left: reads the node's state, and takes away what is garbage."""

from __future__ import annotations

import fcntl
import os
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from preflight.cni import chain
from preflight.cni.attachment import Attachment
from preflight.cni.cache import DEFAULT_CACHE_DIR
from preflight.cni.failure import PluginFailure
from preflight.cni.garbage import (
    Chain,
    Garbage,
    Namespace,
    Seen,
    drop_text,
    parse_chains,
)
from preflight.cni.node import runtime_of
from preflight.cni.products import PODMAN, product_of
from preflight.cni.remains import rulesets
from preflight.cni.spec import LoadError, NetworkConfig, load, parse_json
from preflight.facts import cnifiles, cnistate
from preflight.facts.cri import candidates, pod_sandbox_ids
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.cni import CniCacheEntry, IpamLease
from rules.backend.iptables import program
from rules.errors import EXIT_UNDETERMINED, CommandError, NodeprepError
from rules.files import UNFINISHED
from rules.run import run

_TIMEOUT_S = 60.0
# A healthy runtime answers within 20 ms, a busy one within a second.
_RUNTIME_TIMEOUT_S = 3.0
# Leases that go while host-local waits; a hundred take some milliseconds.
_UNDER_ONE_LOCK = 100
_LOCK_LIMIT_S = 30.0
_NO_LIMIT = 10_000_000
# Plugins whose every trace is a lease, a chain, an interface or a cache entry: no DEL is needed.
_PLAIN = frozenset({"bridge", "ptp", "portmap", "loopback"})


class NotKnown(NodeprepError):
    """Nobody can tell which pods live; then nothing may be collected."""

    exit_code = EXIT_UNDETERMINED


def look(*, min_age_s: float, cri_socket: str = "", cache_dir: str = DEFAULT_CACHE_DIR) -> Seen:
    """The state of this node. Raises NotKnown where a runtime is there and does not answer."""
    host = Host(offline=True)
    networks = _networks(host)
    lease_dirs = [cnistate.DEFAULT_LEASE_DIR]
    lease_dirs += [
        str(ipam["dataDir"])
        for network in networks
        for ipam in network.ipams()
        if str(ipam.get("dataDir", "")).startswith("/")
    ]
    leases = _needed(cnistate.read_leases(host, dict.fromkeys(lease_dirs), limit=_NO_LIMIT))
    results = os.path.join(cache_dir, "results")
    directories = cnistate.CACHE_DIRS if cache_dir == DEFAULT_CACHE_DIR else (results,)
    entries = _needed(cnistate.read_cache(host, directories, limit=_NO_LIMIT))
    names = {network.name for network in networks}
    names |= {item.network for item in (*leases, *entries)}
    return Seen(
        known=_known_ids(host, cri_socket),
        namespaces=(*_namespaces(host), *_of_processes(entries)),
        leases=leases,
        cache=entries,
        chains=tuple(
            one for source, text in rulesets().items() for one in parse_chains(source, text)
        ),
        networks=frozenset(names),
        foreign=frozenset({PODMAN, *(n.name for n in networks if product_of(n) == PODMAN)}),
        min_age_s=min_age_s,
        unfinished=tuple(_unfinished(directories, min_age_s)),
    )


def _unfinished(directories: Iterable[str], min_age_s: float) -> Iterator[str]:
    """Results that a caller was killed over, before they got their name."""
    for directory in directories:
        with suppress(OSError):  # the directory is not there
            for item in os.scandir(directory):
                age_s = time.time() - item.stat(follow_symlinks=False).st_mtime
                if UNFINISHED.fullmatch(item.name) and age_s >= min_age_s:
                    yield item.path


def _needed(found: Known[tuple]) -> tuple:  # type: ignore[type-arg]
    if isinstance(found, Unknown):
        raise NotKnown(found.message)
    return found


def _networks(host: Host) -> list[NetworkConfig]:
    """Those of the configuration directories in use that load."""
    directories, _ = cnifiles.directories((runtime_of(host),))
    files = cnifiles.read_files(host, directories)
    found = []
    for file in () if isinstance(files, Unknown) else files:
        if not isinstance(file.text, Unknown):
            with suppress(LoadError):  # a broken file has no pods
                found.append(load(file.path, file.text))
    return found


def _known_ids(host: Host, cri_socket: str) -> frozenset[str]:
    """All ids that a runtime knows: sandboxes of every CRI socket, containers that run."""
    running = cnistate.running_containers(host)
    if isinstance(running, Unknown):
        raise NotKnown(running.message)
    ids = set(running) | _nerdctl_ids(host)
    for socket in candidates(cri_socket):
        answer = pod_sandbox_ids(socket, timeout_s=_RUNTIME_TIMEOUT_S)
        if isinstance(answer, Unknown):
            # A socket that nobody listens on is one that a runtime left: no runtime, no pods.
            if answer.reason != "absent":
                raise NotKnown(f"which pods live is not known: {answer.message}")
        else:
            ids |= set(answer)
    return frozenset(ids)


def _nerdctl_ids(host: Host) -> set[str]:
    """nerdctl calls a container NAMESPACE-ID towards CNI."""
    base = "/run/containerd/io.containerd.runtime.v2.task"
    spaces = host.listdir(base)
    found: set[str] = set()
    for space in () if isinstance(spaces, Unknown) else spaces:
        names = host.listdir(f"{base}/{space}")
        found |= {f"{space}-{name}" for name in (() if isinstance(names, Unknown) else names)}
    return found


def _namespaces(host: Host) -> Iterable[Namespace]:
    names = host.listdir("/run/netns")
    if isinstance(names, Unknown):
        return
    used = _used_namespaces()
    for name in names:
        path = f"/run/netns/{name}"
        with suppress(OSError):  # it went meanwhile
            status = os.stat(path)
            age = max(0.0, time.time() - status.st_mtime)
            yield Namespace(path, age, (status.st_dev, status.st_ino) in used)


def _of_processes(entries: Iterable[CniCacheEntry]) -> Iterator[Namespace]:
    """Those of containers that have no name, as Docker's: somebody runs in each."""
    for path in cnistate.process_namespaces(entries):
        with suppress(OSError):  # it went meanwhile
            yield Namespace(path, max(0.0, time.time() - os.stat(path).st_mtime), busy=True)


def _used_namespaces() -> set[tuple[int, int]]:
    """The network namespaces in which a process runs."""
    found = set()
    for pid in os.listdir("/proc"):
        if pid.isdecimal():
            with suppress(OSError):  # it ended meanwhile
                status = os.stat(f"/proc/{pid}/ns/net")
                found.add((status.st_dev, status.st_ino))
    return found


def sweep(garbage: Garbage, plugin_dirs: tuple[str, ...], cache_dir: str) -> list[str]:
    """Takes it all away; what could not be, a line each."""
    left: list[str] = []
    for path in garbage.unfinished:
        left += _unlink(path)
    for entry in garbage.cache:
        left += _forget(entry, plugin_dirs, cache_dir)
    for directory in dict.fromkeys(os.path.dirname(lease.path) for lease in garbage.leases):
        here = [item for item in garbage.leases if os.path.dirname(item.path) == directory]
        left += _release(here)
    left += _drop_chains(garbage.chains)
    for namespace in garbage.namespaces:
        left += _unpin(namespace)
    return left


def _forget(entry: CniCacheEntry, plugin_dirs: tuple[str, ...], cache_dir: str) -> list[str]:
    """A DEL by what the cache holds, where plugins may have left what only they know."""
    network = cached_network(entry.path)
    if network is not None and not set(network.chain) <= _PLAIN:
        netns = entry.netns if os.path.exists(entry.netns) else ""
        attachment = Attachment(entry.container, netns, entry.interface)
        try:
            chain.delete(network, attachment, chain.Caller(plugin_dirs, cache_dir))
        except (PluginFailure, CommandError) as error:
            return [f"{entry.path}: {error}"]
    return _unlink(entry.path)


def cached_network(path: str) -> NetworkConfig | None:
    """The configuration with which a result was made; None where the file holds none."""
    try:
        with open(path, encoding="utf-8") as stream:
            body = parse_json(stream.read())
        return load("cached.conflist", b64decode(body["config"]).decode())
    except (OSError, LoadError, KeyError, TypeError, ValueError):
        return None


def _release(leases: Sequence[IpamLease]) -> list[str]:
    """The leases of one directory, under host-local's own lock, as many as do not keep it long."""
    left: list[str] = []
    for start in range(0, len(leases), _UNDER_ONE_LOCK):
        left += _release_some(leases[start : start + _UNDER_ONE_LOCK])
    return left


def _release_some(leases: Sequence[IpamLease]) -> list[str]:
    directory = os.path.dirname(leases[0].path)
    try:
        lock = os.open(f"{directory}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        return [f"{directory}/lock: {error.strerror}"]
    try:
        if not _locked(lock):
            return [f"{directory}/lock: somebody has held it for {_LOCK_LIMIT_S:.0f} s"]
        return [failure for lease in leases for failure in _release_one(lease)]
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    """Waits for it as long as the plugin may take; one that hangs must not hang us."""
    end = time.monotonic() + _LOCK_LIMIT_S
    while not (taken := _taken(lock)) and time.monotonic() < end:
        time.sleep(0.02)
    return taken


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _release_one(lease: IpamLease) -> list[str]:
    """Only if it is still that container's."""
    try:
        # A pipe among them would hang us, as it hangs host-local.
        descriptor = os.open(lease.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            text = os.read(descriptor, 4096).decode("utf-8", "replace")
        finally:
            os.close(descriptor)
        if cnistate.parse_lease(text) == lease.container:
            os.unlink(lease.path)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{lease.path}: {error.strerror}"]
    return []


def _unlink(path: str) -> list[str]:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    return []


def _drop_chains(chains: tuple[Chain, ...]) -> list[str]:
    """One transaction for each program."""
    left = []
    for name in dict.fromkeys(item.program for item in chains):
        left += _drop_in(name, [item.name for item in chains if item.program == name])
    return left


def _drop_in(name: str, chains: list[str]) -> list[str]:
    prefix, flavour = name.split("-")
    save, restore = (
        program(flavour, 6 if prefix == "ip6tables" else 4, verb) for verb in ("save", "restore")
    )
    try:
        text = drop_text(run([save], timeout_s=_TIMEOUT_S).stdout, chains)
        run([restore, "-w", "--noflush"], timeout_s=_TIMEOUT_S, stdin=text)
    except CommandError as error:
        return [str(error)]
    return []


def _unpin(namespace: Namespace) -> list[str]:
    """With the namespace go the interfaces in it, and their ends on the host."""
    name = namespace.path.rpartition("/")[2]
    try:
        run(["ip", "netns", "del", name], timeout_s=_TIMEOUT_S)
    except CommandError as error:
        return [str(error)]
    return []

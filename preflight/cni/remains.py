"""What is left of certain containers on this host, looked for where plugins and callers keep it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha512

from preflight.cni.cache import DEFAULT_CACHE_DIR
from preflight.cni.spec import NetworkConfig
from preflight.facts.cnistate import DEFAULT_LEASE_DIR
from rules.backend.iptables import families, legacy_tables, program
from rules.errors import CommandError
from rules.run import Running, find_program

_TIMEOUT_S = 20.0


def lease_dirs(network: NetworkConfig) -> tuple[str, ...]:
    """The directories in which host-local keeps the leases of this network."""
    found = [
        os.path.join(str(ipam.get("dataDir") or DEFAULT_LEASE_DIR), network.name)
        for ipam in network.ipams()
        if ipam.get("type") == "host-local"
    ]
    return tuple(dict.fromkeys(found))


def chain_names(network: str, container: str) -> tuple[str, ...]:
    """The chains that bridge, ptp and portmap make (pkg/utils/utils.go of the plugins)."""
    digest = sha512(f"{network}{container}".encode()).hexdigest()
    return f"CNI-{digest}"[:28], f"CNI-DN-{digest}"[:28]


def rulesets() -> dict[str, str]:
    """The rules of every packet filter of this host as text: program -> what it prints.

    Raises CommandError where one that is here does not print them.
    """
    # nft prints the tables of iptables-nft too, chains and comments as they are.
    by_nft = find_program("nft") is not None
    commands = [["nft", "list", "ruleset"]] if by_nft else []
    for family in families():
        name = program("nft", family, "save")
        if not by_nft and find_program(name) is not None:
            commands.append([name])
        if legacy_tables(family):
            commands.append([program("legacy", family, "save")])
    running = {" ".join(command): Running(command) for command in commands}
    return {line: started.result(timeout_s=_TIMEOUT_S).stdout for line, started in running.items()}


def remains(
    network: NetworkConfig,
    containers: Iterable[str],
    links: Iterable[str],
    cache_dir: str = DEFAULT_CACHE_DIR,
) -> list[str]:
    """What is left of the containers, a line each: lease, cache entry, rule, interface.

    ``links`` are the host's interfaces that were made for them. Raises CommandError where the
    rules cannot be read.
    """
    ids = tuple(containers)
    found = [*_leases(network, ids), *_cache(network, ids, cache_dir), *_rules(network, ids)]
    present = set(_interfaces())
    found += [f"interface {link}" for link in links if link in present]
    return found


def _leases(network: NetworkConfig, ids: tuple[str, ...]) -> list[str]:
    found = []
    for directory in lease_dirs(network):
        if not os.path.isdir(directory):
            continue
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and not name.startswith(("lock", "last_reserved_ip")):
                with open(path, encoding="utf-8", errors="replace") as stream:
                    if stream.read(4096).split()[:1] in [[one] for one in ids]:
                        found.append(f"lease {path}")
    return found


def _cache(network: NetworkConfig, ids: tuple[str, ...], cache_dir: str) -> list[str]:
    directory = os.path.join(cache_dir, "results")
    names = os.listdir(directory) if os.path.isdir(directory) else []
    starts = tuple(f"{network.name}-{one}-" for one in ids)
    return [f"cache entry {directory}/{name}" for name in names if name.startswith(starts)]


def _rules(network: NetworkConfig, ids: tuple[str, ...]) -> list[str]:
    words = {word for one in ids for word in (one, *chain_names(network.name, one))}
    return [
        f"rule of {source}: {line.strip()}"
        for source, text in rulesets().items()
        for line in text.splitlines()
        if any(word in line for word in words)
    ]


def _interfaces() -> list[str]:
    """The interfaces of the network namespace that this thread is in."""
    try:
        with open("/proc/thread-self/net/dev", encoding="ascii") as stream:
            return [line.split(":")[0].strip() for line in stream if ":" in line]
    except OSError as error:
        raise CommandError("denied", f"/proc/net/dev: {error.strerror}") from error

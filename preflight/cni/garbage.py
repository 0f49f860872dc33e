"""What dead pods left, and how it is known that they are dead. Pure.

Dead is only what no runtime knows, in which no process runs, and what is old enough: a pod that
starts right now has an address before its runtime tells of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from preflight.cni.remains import chain_names
from preflight.facts.model.cni import CniCacheEntry, IpamLease
from rules.record import record

MIN_AGE_S = 60.0
# Namespaces that containerd (cni-UUID), CRI-O (UUID) and our own proofs make; others are people's.
_MADE_BY_RUNTIME = re.compile(
    r"(?:cni-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|nodeprep-prove-[0-9a-f]{8}-[a-h]"
)
_CHAIN = re.compile(r"CNI-(?:DN-[0-9a-f]{21}|[0-9a-f]{24})")


@record
class Namespace:
    """A pinned network namespace. ``busy``: a process runs in it."""

    path: str
    age_s: float
    busy: bool

    @property
    def made_by_runtime(self) -> bool:
        """Whether its name is one that a runtime makes up."""
        return _MADE_BY_RUNTIME.fullmatch(self.path.rpartition("/")[2]) is not None


@record
class Chain:
    """A chain of a pod: the program that has it (``iptables-nft``), its table and name."""

    program: str
    table: str
    name: str


@record
class Seen:
    """The state of a node. ``known`` are the ids of the runtimes' containers and sandboxes.

    ``unfinished``: old files of a caller that was killed while it wrote a result.
    """

    known: frozenset[str]
    namespaces: tuple[Namespace, ...]
    leases: tuple[IpamLease, ...]
    cache: tuple[CniCacheEntry, ...]
    chains: tuple[Chain, ...]
    networks: frozenset[str]
    foreign: frozenset[str]
    min_age_s: float = MIN_AGE_S
    unfinished: tuple[str, ...] = ()


@record
class Garbage:
    """What may go. ``starting``: chains were left alone, as a pod may be starting right now."""

    leases: tuple[IpamLease, ...]
    cache: tuple[CniCacheEntry, ...]
    chains: tuple[Chain, ...]
    namespaces: tuple[Namespace, ...]
    starting: bool = False
    unfinished: tuple[str, ...] = ()


def find(seen: Seen) -> Garbage:
    """Everything of dead pods."""
    pinned = {_normal(item.path): item for item in seen.namespaces}
    names = {item.path.rpartition("/")[2] for item in seen.namespaces}
    netns = {entry.container: entry.netns for entry in seen.cache if entry.netns}

    def alive(container: str, age_s: float) -> bool:
        if age_s < seen.min_age_s or container in seen.known or container in names:
            return True
        path = netns.get(container, "")
        return bool(path) and _lives(path, pinned)

    leases = [item for item in seen.leases if item.network not in seen.foreign]
    cache = [item for item in seen.cache if item.network not in seen.foreign]
    dead_leases = tuple(item for item in leases if not alive(item.container, item.age_s))
    dead_cache = tuple(item for item in cache if not alive(item.container, item.age_s))
    dead_namespaces = tuple(
        item
        for item in seen.namespaces
        if item.made_by_runtime and not item.busy and item.age_s >= seen.min_age_s
    )
    dead = {item.container for item in dead_leases} | {item.container for item in dead_cache}
    held = {item.container for item in seen.leases} | {item.container for item in seen.cache}
    living = {*seen.known, *names, *(held - dead)}
    young = any(item.age_s < seen.min_age_s for item in seen.namespaces)
    chains = _dead_chains(seen, living, dead, only_named=young)
    left = len([item for item in seen.chains if item.name not in _of(seen, living)])
    return Garbage(
        dead_leases,
        dead_cache,
        chains,
        dead_namespaces,
        starting=young and left > len(chains),
        unfinished=seen.unfinished,
    )


def _dead_chains(
    seen: Seen, living: Iterable[str], dead: Iterable[str], *, only_named: bool
) -> tuple[Chain, ...]:
    """Chains of nobody who lives; while a pod may be starting only those of known dead ones."""
    keep, named = _of(seen, living), _of(seen, dead)
    return tuple(
        chain
        for chain in seen.chains
        if chain.name not in keep and (not only_named or chain.name in named)
    )


def _of(seen: Seen, containers: Iterable[str]) -> frozenset[str]:
    return frozenset(
        name
        for network in seen.networks
        for container in containers
        for name in chain_names(network, container)
    )


def _lives(path: str, pinned: Mapping[str, Namespace]) -> bool:
    """Whether the namespace of a cached result is one in which a pod may be."""
    found = pinned.get(_normal(path))
    if found is None:
        return False
    return found.busy or not found.made_by_runtime


def _normal(path: str) -> str:
    return path.replace("/var/run/", "/run/", 1) if path.startswith("/var/run/") else path


def parse_chains(source: str, text: str) -> list[Chain]:
    """The chains of pods in what a packet filter's program prints (``rulesets``)."""
    found: list[Chain] = []
    if source.startswith("nft "):
        family = table = ""
        for line in text.splitlines():
            words = line.split()
            if words[:1] == ["table"]:
                family, table = words[1], words[2]
            elif words[:1] == ["chain"] and _CHAIN.fullmatch(words[1]) and family in ("ip", "ip6"):
                program = "iptables-nft" if family == "ip" else "ip6tables-nft"
                found.append(Chain(program, table, words[1]))
        return found
    family = "ip6tables" if source.startswith("ip6") else "iptables"
    program, table = f"{family}-{'legacy' if 'legacy' in source else 'nft'}", ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":") and _CHAIN.fullmatch(name := line[1:].split()[0]):
            found.append(Chain(program, table, name))
    return found


def drop_text(program_text: str, names: Iterable[str]) -> str:
    """What ``-save`` printed of a program -> the lines for ``-restore --noflush`` that take the
    chains, and the jumps to them, away in one transaction."""
    gone = set(names)
    lines: list[str] = []
    block: list[str] = []
    for line in program_text.splitlines():
        if line.startswith("*"):
            block = [line]
        elif line == "COMMIT":
            if len(block) > 1:
                lines += [*block, line]
            block = []
        elif line.startswith("-A ") and block:
            chain, target = line.split(" ")[1], _target(line)
            if target in gone and chain not in gone:
                block.append(f"-D{line[2:]}")
        elif line.startswith(":") and line[1:].split()[0] in gone:
            block.append(f":{line[1:].split()[0]} - [0:0]")
    return "".join(f"{line}\n" for line in _with_deletions(lines, gone))


def _target(line: str) -> str:
    words = line.split(" ")
    return words[words.index("-j") + 1] if "-j" in words[:-1] else ""


def _with_deletions(lines: Iterable[str], gone: set[str]) -> list[str]:
    """``:CHAIN`` empties a chain; behind all jumps follow the deletions."""
    found: list[str] = []
    emptied: list[str] = []
    for line in lines:
        if line.startswith(":"):
            emptied.append(line[1:].split()[0])
        if line == "COMMIT":
            found += [f"-X {name}" for name in emptied if name in gone]
            emptied = []
        found.append(line)
    return found

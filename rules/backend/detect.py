"""Who owns this host's packet filter, and so through whom a port is opened or closed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rules.backend import BACKENDS, READ_TIMEOUT_S
from rules.backend.iptables import flavour_of, legacy_tables, program
from rules.errors import CommandError, NodeprepError, UsageError
from rules.parse.nftheads import is_dormant
from rules.record import field, record
from rules.run import find_program, run
from rules.words import hint

# Chains that kubelet and kube-proxy leave so that others can tell which iptables they use
# (https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/3178-iptables-cleanup).
HINTS = frozenset({"KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"})
_BUILT_IN = frozenset({"INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING"})
_IPTABLES_TABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})
_OURS = ("NODEPREP-",)
UFW_CONF = "/etc/ufw/ufw.conf"


class OwnerError(NodeprepError):
    """Nobody can tell through whom this host's packet filter is changed. ``str()`` says why."""


@record
class Dropper:
    """A base chain of somebody else that drops what none of its rules accepts.

    ``hook``: input or forward. ``backend``: iptables-nft, iptables-legacy or nft.
    """

    backend: str
    family: str
    table: str
    chain: str
    hook: str


@record
class Filters:
    """What a host's packet filters look like, as far as the choice depends on it.

    ``nft`` and ``iptables``: whether the program is there, and which flavour the plain
    ``iptables`` is (empty: none). ``firewalld``, ``ufw``: whether they are at work.
    ``nft_chains``, ``legacy_chains``: foreign chains of both iptables flavours (tables that
    only hold the kernel's own empty chains have none). ``notes`` say what could not be read.
    """

    nft: bool = False
    iptables: str = ""
    firewalld: bool = False
    firewalld_table: bool = False
    ufw: bool = False
    nft_chains: frozenset[str] = frozenset()
    legacy_chains: frozenset[str] = frozenset()
    droppers: tuple[Dropper, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


@record
class Choice:
    """The backend, and in one line why. ``warnings``: what will not work with it."""

    backend: str
    reason: str
    warnings: tuple[str, ...] = ()


def choose(filters: Filters, wanted: str, *, enforce: bool) -> Choice:
    """Whom to go through; ``wanted`` is ``auto`` or one of ``BACKENDS``. Pure.

    Raises OwnerError where two owners contradict each other, UsageError for an unknown name.
    """
    if wanted != "auto":
        if wanted not in BACKENDS:
            raise UsageError(
                f"--backend takes auto, {', '.join(BACKENDS)}; {wanted!r} is none of them"
                f"{hint(wanted, BACKENDS)}"
            )
        return Choice(wanted, "asked for", _warnings(filters, wanted, enforce=enforce))
    backend, reason = _owner(filters)
    return Choice(backend, reason, _warnings(filters, backend, enforce=enforce))


def _owner(filters: Filters) -> tuple[str, str]:
    if filters.firewalld and filters.ufw:
        raise OwnerError("firewalld runs and ufw is enabled: two owners; disable one of them")
    if filters.firewalld:
        return "firewalld", "firewalld runs"
    if filters.firewalld_table:
        raise OwnerError(
            "firewalld's table is loaded and firewalld does not run: start it, or delete its table"
        )
    if filters.ufw:
        return "ufw", "ufw is enabled"
    if filters.nft_chains and filters.legacy_chains:
        raise OwnerError(
            "there are rules in iptables-nft ("
            + _some(filters.nft_chains)
            + ") and in iptables-legacy ("
            + _some(filters.legacy_chains)
            + "): both drop; move one to the other, or name one with --backend"
        )
    for dropper in filters.droppers:
        if dropper.backend != "nft":
            return (
                dropper.backend,
                f"{dropper.chain} of {dropper.backend} ({dropper.family}) drops by default",
            )
    for backend, chains in (
        ("iptables-nft", filters.nft_chains),
        ("iptables-legacy", filters.legacy_chains),
    ):
        if hints := sorted(chains & HINTS):
            return backend, f"kubelet's or kube-proxy's chain {hints[0]} is in {backend}"
    if filters.legacy_chains:
        return "iptables-legacy", f"legacy tables are in use ({_some(filters.legacy_chains)})"
    if filters.nft:
        return "nftables", "nobody else drops packets here, and nft is installed"
    if filters.iptables:
        return f"iptables-{filters.iptables}", "iptables is installed and nft is not"
    raise OwnerError("neither nft nor iptables is installed: install nftables")


def _warnings(filters: Filters, backend: str, *, enforce: bool) -> tuple[str, ...]:
    warnings = list(filters.notes)
    for dropper in filters.droppers:
        if dropper.backend == backend or backend in ("firewalld", "ufw"):
            continue
        where = f"chain {dropper.chain} of table {dropper.family} {dropper.table}"
        if dropper.backend != "nft":
            where = f"chain {dropper.chain} of {dropper.backend} ({dropper.family})"
        warnings.append(
            f"{where} drops what it does not accept itself, whatever {backend} accepts: admit "
            "the role's flows there too"
        )
    if backend == "nftables" and not enforce and not filters.droppers:
        warnings.append("nothing drops packets here: the posture allow has nothing to open")
    if filters.legacy_chains and backend in ("nftables", "iptables-nft"):
        warnings.append(
            f"iptables-legacy holds rules that {backend} does not see and that act all the same "
            f"({_some(filters.legacy_chains)})"
        )
    return tuple(warnings)


def _some(names: frozenset[str]) -> str:
    first = sorted(names)
    return ", ".join(first[:3]) + (", ..." if len(first) > 3 else "")


def look(*, root: str = "/") -> Filters:
    """Reads what ``choose`` needs: 4 to 15 ms. Makes no table and loads no module.

    Raises CommandError where the rules may not be read.
    """
    notes: list[str] = []
    document = _nft_chains() if find_program("nft") else None
    nft_names: set[str] = set()
    droppers: list[Dropper] = []
    firewalld_table = False
    if document is not None:
        firewalld_table, suspects = _sort_nft(document, nft_names, droppers)
        for family in suspects:
            nft_names |= _saved_chains("nft", family, droppers=None)
        droppers = [dropper for dropper in droppers if not _is_dormant(dropper)]
    legacy_names: set[str] = set()
    for family in (4, 6):
        if tables := legacy_tables(family):
            try:
                legacy_names |= _legacy_chains(tables, family, droppers)
            except CommandError as error:
                if error.reason != "absent":
                    raise
                notes.append(
                    "legacy tables exist and nothing here reads them: install iptables, or "
                    "the package python-iptables beside nodeprep"
                )
    return Filters(
        nft=document is not None,
        iptables=flavour_of(),
        firewalld=runs("firewalld"),
        firewalld_table=firewalld_table,
        ufw=ufw_enabled(Path(root)),
        nft_chains=frozenset(nft_names),
        legacy_chains=frozenset(legacy_names),
        droppers=tuple(droppers),
        notes=tuple(dict.fromkeys(notes)),
    )


def _is_dormant(dropper: Dropper) -> bool:
    """Whether its table is switched off, which the list of chains does not say."""
    argv = ["nft", "-t", "list", "table", dropper.family, dropper.table]
    return is_dormant(run(argv, timeout_s=READ_TIMEOUT_S).stdout)


def _nft_chains() -> list[dict[str, Any]]:
    done = run(["nft", "-j", "list", "chains"], timeout_s=READ_TIMEOUT_S)
    try:
        items = json.loads(done.stdout)["nftables"]
        return [item["chain"] for item in items if "chain" in item]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError("failed", f"nft -j list chains printed no chains: {error}") from error


def _sort_nft(
    chains: list[dict[str, Any]], names: set[str], droppers: list[Dropper]
) -> tuple[bool, list[int]]:
    """Fills both; whether firewalld's table is there, and the families whose own chains may
    hold rules."""
    firewalld, suspects = False, []
    for chain in chains:
        family, table, name = chain["family"], chain["table"], chain["name"]
        if table == "firewalld":
            firewalld = True
            continue
        if (family, table) == ("inet", "nodeprep"):
            continue
        iptables = family in ("ip", "ip6") and table in _IPTABLES_TABLES and name.isupper()
        if chain.get("policy") == "drop" and chain.get("hook") in ("input", "forward"):
            droppers.append(
                Dropper(
                    "iptables-nft" if name in _BUILT_IN else "nft",
                    family,
                    table,
                    name,
                    chain["hook"],
                )
            )
        if name in _BUILT_IN:
            suspects.append(4 if family == "ip" else 6)
        elif iptables and not name.startswith(_OURS):
            names.add(name)
    # With foreign chains found, it is known that iptables-nft is in use.
    return firewalld, [] if names else sorted(set(suspects))


def _saved_chains(flavour: str, family: int, droppers: list[Dropper] | None) -> set[str]:
    """Foreign chains with rules or a drop policy; the policies go to ``droppers``."""
    done = run([program(flavour, family, "save")], timeout_s=READ_TIMEOUT_S)
    found: set[str] = set()
    table = ""
    word = "ip" if family == 4 else "ip6"
    for line in done.stdout.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            if name not in _BUILT_IN and not name.startswith(_OURS):
                found.add(name)
            if policy == "DROP" and table == "filter" and name in ("INPUT", "FORWARD"):
                found.add(name)
                if droppers is not None:
                    droppers.append(Dropper(f"iptables-{flavour}", word, table, name, name.lower()))
        elif line.startswith("-A ") and "NODEPREP-" not in line:
            found.add(line.split(" ", 2)[1])
    return found


def _legacy_chains(tables: tuple[str, ...], family: int, droppers: list[Dropper]) -> set[str]:
    try:
        return _saved_chains("legacy", family, droppers=droppers)
    except CommandError as error:
        if error.reason != "absent":
            raise
    from rules.backend.legacytables import read_legacy

    found: set[str] = set()
    for chain in read_legacy(tables, family):
        dropping = chain.policy == "DROP"
        if chain.table == "filter" and dropping and chain.name in ("INPUT", "FORWARD"):
            word = "ip" if family == 4 else "ip6"
            droppers.append(
                Dropper("iptables-legacy", word, "filter", chain.name, chain.name.lower())
            )
        if chain.name.startswith(_OURS):
            continue
        if chain.rules or dropping or chain.name not in _BUILT_IN:
            found.add(chain.name)
    return found


def runs(name: str) -> bool:
    """Whether a program of that name runs in our network namespace."""
    try:
        ours = os.stat("/proc/self/ns/net")
    except OSError:
        return False
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as stream:
                if stream.read().strip() != name:
                    continue
            theirs = os.stat(f"/proc/{entry}/ns/net")
        except OSError:
            continue
        if (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino):
            return True
    return False


def ufw_enabled(root: Path) -> bool:
    """Whether ufw is installed and loads its rules at boot."""
    try:
        text = root.joinpath(UFW_CONF.lstrip("/")).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    if find_program("ufw") is None:
        return False
    words = [line.strip().lower() for line in text.splitlines()]
    return any(line.replace('"', "").replace("'", "") == "enabled=yes" for line in words)

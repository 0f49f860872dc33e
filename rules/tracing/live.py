"""This host's packet filters as they are: every backend that holds rules, read once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from pathlib import Path

from rules.backend.iptables import legacy_tables, program
from rules.backend.kerneltables import nft_tables
from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.parse.ipset import IpSet, parse_ipset_save
from rules.parse.iptables import parse_iptables_save
from rules.parse.nft import parse_nft
from rules.parse.nftheads import lacks_head, with_head
from rules.parse.tablejoin import joined
from rules.ruleset import Ruleset, Table
from rules.run import find_program, run

_TIMEOUT_S = 20.0
_WORDS = {4: "ip", 6: "ip6"}
_CLASSIC = frozenset({"raw", "mangle", "nat", "filter", "security"})


def read_live() -> Ruleset:
    """All tables of nft and of both iptables. Makes no table; loads no module but the kernel's
    nf_tables where nft is not installed.

    Raises CommandError: ``denied`` where this user may not read them, ``absent`` where rules are
    there and no program that prints them.
    """
    has_nft = find_program("nft") is not None
    found = read_nft() if has_nft else Ruleset()
    tables = [(table.family, table.name) for table in found.tables] if has_nft else nft_tables()
    if not has_nft:
        _must_be_printed(tables)
    wanted = [
        ("iptables-nft", family)
        for family, word in _WORDS.items()
        if any(place[0] == word and place[1] in _CLASSIC for place in tables)
    ]
    wanted += [("iptables-legacy", family) for family in (4, 6) if legacy_tables(family)]
    texts = [(backend, family, _save(backend, family, has_nft)) for backend, family in wanted]
    ipsets = _ipsets() if any("--match-set" in text for _, _, text in texts) else {}
    for backend, family, text in texts:
        if text:
            found = joined(found, parse_iptables_save(text, backend, family, ipsets))
    return Ruleset(found.tables, bridges=bridges())


def _must_be_printed(tables: Iterable[tuple[str, str]]) -> None:
    """Raises CommandError for a table that only nft could print; arp filters no IP packets."""
    for family, name in tables:
        if family != "arp" and not (family in _WORDS.values() and name in _CLASSIC):
            raise CommandError(
                "absent",
                f"table {family} {name} is there and nft, which prints it, is not installed",
            )


def bridges() -> frozenset[str]:
    """The interfaces of this host that are bridges."""
    return frozenset(path.parent.name for path in Path("/sys/class/net").glob("*/bridge"))


def read_nft() -> Ruleset:
    """What nft holds; where its JSON leaves out the head of a table, from its text too."""
    found = parse_nft(run(["nft", "-j", "list", "ruleset"], timeout_s=_TIMEOUT_S).stdout)
    return Ruleset(tuple(_whole(table) for table in found.tables))


def _whole(table: Table) -> Table:
    if not lacks_head(table):
        return table
    argv = ["nft", "-t", "list", "table", table.family, table.name]
    return with_head(table, run(argv, timeout_s=_TIMEOUT_S).stdout)


def _save(backend: str, family: int, has_nft: bool) -> str:
    name = program(backend.removeprefix("iptables-"), family, "save")
    try:
        return run([name], timeout_s=_TIMEOUT_S).stdout
    except CommandError as error:
        if error.reason in ("absent", "failed") and backend == "iptables-nft" and has_nft:
            # nft itself has printed the table; its iptables extensions stay unknown. iptables-save
            # 1.8.9 gives up on some rules of nft (`meta priority set`).
            return ""
        raise


def _ipsets() -> dict[str, IpSet]:
    if find_program("ipset") is None:
        return {}
    return parse_ipset_save(run(["ipset", "save"], timeout_s=_TIMEOUT_S).stdout)


def local_addresses() -> tuple[IPv4Interface | IPv6Interface, ...]:
    """The addresses of this host's interfaces, with their prefixes. Raises CommandError where ip
    does not tell."""
    done = run(["ip", "-j", "address"], timeout_s=_TIMEOUT_S)
    try:
        return tuple(
            ip_interface(f"{item['local']}/{item['prefixlen']}")
            for link in json.loads(done.stdout)
            for item in link.get("addr_info", ())
            if "local" in item
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError("failed", f"ip -j address printed no addresses: {error}") from error


def routes() -> Callable[[IPAddress], str | None]:
    """Which interface leads to an address, asked of the kernel once for each; None: none does."""
    known: dict[IPAddress, str | None] = {}

    def route(address: IPAddress) -> str | None:
        if address not in known:
            known[address] = _route(address)
        return known[address]

    return route


def _route(address: IPAddress) -> str | None:
    done = run(
        ["ip", "-j", "route", "get", str(ip_address(address))], timeout_s=_TIMEOUT_S, ok=(0, 2)
    )
    try:
        found = json.loads(done.stdout or "[]")
        return str(found[0]["dev"]) if found and "dev" in found[0] else None
    except (ValueError, KeyError, TypeError, IndexError):
        return None

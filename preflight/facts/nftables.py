"""The tables of nf_tables, those of iptables-nft included, asked of the kernel itself.

No program is needed for it, and nothing is made or loaded: listing tables takes 0.1 ms where
`nft -j` takes 4.
"""

from __future__ import annotations

import errno
import os
import struct

from preflight.facts import netlink
from preflight.facts.host import Host, unreadable
from preflight.facts.model import Known, Unknown
from preflight.facts.model.firewall import FilterTable
from preflight.facts.modules import parse_index
from preflight.versions.filtermakers import FIREWALLD_CHAINS, maker_of_rule, maker_of_table

# linux/netfilter/nfnetlink.h, nf_tables.h
_SUBSYSTEM = 10 << 8
_GET_TABLE, _GET_CHAIN, _GET_RULE = 1, 4, 7
_GENERAL = struct.Struct("=BBH")
_TABLE_NAME, _TABLE_FLAGS = 1, 2
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _CHAIN_USE = 1, 3, 4, 5, 6
_RULE_TABLE, _RULE_CHAIN = 1, 2
_DORMANT = 1
# enum nf_inet_hooks of the kernel -> the family's word in nft.
_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_IPTABLES_TABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})
_IPTABLES_CHAINS = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
# The kernel's own words: no nf_tables in it, or no netlink for packet filters at all.
_NOT_THERE = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT})
# One that is loaded on demand: to ask it would load it.
MODULE = "nf_tables"
_INDEX_LIMIT_BYTES = 1024 * 1024


def read_nft_tables(host: Host) -> Known[tuple[FilterTable, ...]]:
    """Every table of this network namespace that is not dormant; needs CAP_NET_ADMIN."""
    if not _is_loaded(host):
        return ()
    try:
        return _read()
    except OSError as error:
        if error.errno in _NOT_THERE:
            return ()
        return unreadable("the kernel's list of nft tables", error)


def _is_loaded(host: Host) -> bool:
    """False where nf_tables is a module that nobody has loaded yet, so that it has no table."""
    if host.exists(f"/sys/module/{MODULE}"):
        return True
    directory = f"/lib/modules/{os.uname().release}"
    builtin = host.read_bytes(f"{directory}/modules.builtin", _INDEX_LIMIT_BYTES)
    return isinstance(builtin, Unknown) or MODULE in parse_index(builtin)


def _read() -> tuple[FilterTable, ...]:
    tables = parse_tables(_list(_GET_TABLE))
    chains = parse_chains(_list(_GET_CHAIN))
    return tuple(_describe(family, name, chains.get((family, name), {})) for family, name in tables)


def _list(kind: int, family: int = 0, content: bytes = b"") -> list[bytes]:
    return netlink.dump(netlink.NETFILTER, _SUBSYSTEM | kind, _GENERAL.pack(family, 0, 0) + content)


def parse_tables(messages: list[bytes]) -> list[tuple[int, str]]:
    """(family number, name) of each table that is not dormant."""
    found = []
    for message in messages:
        values = netlink.attributes(message, _GENERAL.size)
        if _TABLE_NAME in values and not _number(values.get(_TABLE_FLAGS, b"")) & _DORMANT:
            found.append((message[0], _text(values[_TABLE_NAME])))
    return found


# A chain's policy (None: nothing enters by itself) and how many rules and jumps use it.
Chain = tuple[str | None, int]


def parse_chains(messages: list[bytes]) -> dict[tuple[int, str], dict[str, Chain]]:
    """(family number, table) -> its chains by name."""
    found: dict[tuple[int, str], dict[str, Chain]] = {}
    for message in messages:
        values = netlink.attributes(message, _GENERAL.size)
        if not {_CHAIN_TABLE, _CHAIN_NAME} <= values.keys():
            continue
        policy = None
        if _CHAIN_HOOK in values:
            policy = "DROP" if _number(values.get(_CHAIN_POLICY, b"\0\0\0\1")) == 0 else "ACCEPT"
        table = found.setdefault((message[0], _text(values[_CHAIN_TABLE])), {})
        table[_text(values[_CHAIN_NAME])] = policy, _number(values.get(_CHAIN_USE, b""))
    return found


def _describe(family: int, name: str, chains: dict[str, Chain]) -> FilterTable:
    word = _FAMILIES.get(family, str(family))
    policies = {chain: policy for chain, (policy, _) in chains.items() if policy is not None}
    iptables = word in ("ip", "ip6") and name in _IPTABLES_TABLES
    iptables = iptables and bool(_IPTABLES_CHAINS.intersection(policies))
    owner = maker_of_table(name)
    # firewalld's plain rules stand beside its chains where it uses iptables.
    default = "firewalld" if iptables and FIREWALLD_CHAINS.intersection(chains) else ""
    makers: dict[str, int] = {}
    # A base chain cannot be jumped to, so all that uses it is its rules.
    for chain, (policy, used) in chains.items():
        if policy is None or not used:
            continue
        if owner:
            makers[owner] = makers.get(owner, 0) + used
            continue
        for rule in _rules(family, name, chain):
            maker = maker_of_rule(rule) or default
            makers[maker] = makers.get(maker, 0) + 1
    return FilterTable(
        backend="iptables-nft" if iptables else "nft",
        family=word,
        name=name,
        rules=sum(makers.values()),
        chains=tuple(sorted(chains)),
        base_policies=policies,
        makers=makers,
    )


def _rules(family: int, table: str, chain: str) -> list[bytes]:
    """The rules of a chain as the kernel has them."""
    wanted = {_RULE_TABLE: table.encode() + b"\0", _RULE_CHAIN: chain.encode() + b"\0"}
    content = b"".join(netlink.attribute(kind, value) for kind, value in wanted.items())
    found = []
    for message in _list(_GET_RULE, family, content):
        values = netlink.attributes(message, _GENERAL.size)
        # Kernels before 4.6 list the rules of every chain.
        if all(values.get(kind) == value for kind, value in wanted.items()):
            found.append(message)
    return found


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big")

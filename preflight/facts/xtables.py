"""The tables of legacy iptables, read from the kernel as `iptables-legacy-save` reads them.

So no program is needed: on hosts with iptables-nft only, legacy rules come from containers that
bring their own iptables, and no tool of the host can show them. Only tables that exist are asked
for, since asking for another would make it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from preflight.facts.host import Host, unreadable
from preflight.facts.model import Known, Unknown
from preflight.facts.model.firewall import FilterTable
from preflight.versions.filtermakers import FIREWALLD_CHAINS, maker_of_rule
from rules.record import record

if TYPE_CHECKING:
    import socket

# linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h: the same numbers in both.
_GET_INFO, _GET_ENTRIES = 64, 65
_LEVELS = {4: 0, 6: 41}
# struct ipt_getinfo: table, hooks that it has, first rule and policy of each, rules, bytes.
_INFO = struct.Struct("=32sI5I5III")
_HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
# struct ipt_get_entries ends where its entries begin: at the next multiple of their alignment.
_ENTRIES_OFFSET = 40 if struct.calcsize("P") == 8 else 36
# Of struct ipt_entry: where the two offsets are, behind the address part and a number.
_OFFSETS = {4: 88, 6: 140}
_OFFSETS_PAIR = struct.Struct("=HH")
_TARGET = struct.Struct("=H29sBi")
_DROP = -1


@record
class Info:
    """What a table says of itself: ``hooks`` maps a chain to (offset of its first rule, of its
    policy); ``size`` in bytes."""

    hooks: dict[str, tuple[int, int]]
    size: int


def read_legacy_tables(host: Host) -> Known[tuple[FilterTable, ...]]:
    """Every legacy table of both families in this network namespace; needs CAP_NET_ADMIN."""
    found: list[FilterTable] = []
    for family, path in ((4, "/proc/net/ip_tables_names"), (6, "/proc/net/ip6_tables_names")):
        names = host.read(path)
        if isinstance(names, Unknown):
            if names.reason != "absent":
                return names
            continue  # the module is not there, and so no table
        for name in names.split():
            try:
                info, entries = _ask(family, name)
            except OSError as error:
                return unreadable(f"the legacy table {name} (IPv{family})", error)
            try:
                found.append(describe(family, name, info, entries))
            except (struct.error, IndexError):
                return Unknown("failed", f"the legacy table {name} (IPv{family}) is garbled")
    return tuple(found)


def _ask(family: int, name: str) -> tuple[Info, bytes]:
    import socket

    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    with socket.socket(kind, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as asked:
        head = name.encode().ljust(32, b"\0")
        info = parse_info(_getsockopt(asked, family, _GET_INFO, head.ljust(_INFO.size, b"\0")))
        question = (head + struct.pack("=I", info.size)).ljust(_ENTRIES_OFFSET, b"\0")
        answer = _getsockopt(asked, family, _GET_ENTRIES, question + bytes(info.size))
    return info, answer[_ENTRIES_OFFSET:]


def _getsockopt(asked: socket.socket, family: int, option: int, question: bytes) -> bytes:
    # Python's own getsockopt cannot pass the question in.
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(question, len(question))
    length = ctypes.c_uint32(len(question))
    if libc.getsockopt(asked.fileno(), _LEVELS[family], option, buffer, ctypes.byref(length)):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return buffer.raw[: length.value]


def parse_info(data: bytes) -> Info:
    """struct ipt_getinfo -> the chains that the kernel enters by itself, and the size."""
    _, valid, *rest = _INFO.unpack_from(data)
    first, policy, size = rest[:5], rest[5:10], rest[11]
    hooks = {
        hook: (first[number], policy[number])
        for number, hook in enumerate(_HOOKS)
        if valid & 1 << number
    }
    return Info(hooks, size)


@record
class _Entry:
    """A rule: its bytes, its target's name, and what follows it: a verdict or a jump."""

    content: bytes
    target: str
    verdict: int
    chain: str


def describe(family: int, name: str, info: Info, data: bytes) -> FilterTable:
    """A table's rules -> what is judged of them. ``data`` are struct ipt_entry in a row."""
    entries = dict(_entries(family, data))
    chains = {offset: each.chain for offset, each in entries.items() if each.target == "ERROR"}
    # A chain of a user begins with an ERROR entry that names it; jumps lead behind it.
    starts = {offset + len(entries[offset].content): chain for offset, chain in chains.items()}
    default = "firewalld" if FIREWALLD_CHAINS.intersection(chains.values()) else ""
    makers: dict[str, int] = {}
    for first, policy in info.hooks.values():
        for offset, entry in entries.items():
            if first <= offset < policy:
                jump = starts.get(entry.verdict, "") if entry.target == "" else ""
                maker = maker_of_rule(entry.content + jump.encode()) or default
                makers[maker] = makers.get(maker, 0) + 1
    policies = {
        hook: "DROP" if entries[policy].verdict == _DROP else "ACCEPT"
        for hook, (_, policy) in info.hooks.items()
    }
    own = {chain for chain in chains.values() if chain != "ERROR"}
    return FilterTable(
        backend="iptables-legacy" if family == 4 else "ip6tables-legacy",
        family="ip" if family == 4 else "ip6",
        name=name,
        rules=sum(makers.values()),
        chains=tuple(sorted(own | info.hooks.keys())),
        base_policies=policies,
        makers=makers,
    )


def _entries(family: int, data: bytes) -> Iterator[tuple[int, _Entry]]:
    """Offset -> entry."""
    offset = 0
    while offset < len(data):
        target_at, length = _OFFSETS_PAIR.unpack_from(data, offset + _OFFSETS[family])
        if length <= target_at:
            raise IndexError(offset)
        content = data[offset : offset + length]
        _, name, _, verdict = _TARGET.unpack_from(content, target_at)
        target = _text(name)
        chain = _text(content[target_at + 32 : target_at + 62]) if target == "ERROR" else ""
        yield offset, _Entry(content, target, verdict, chain)
        offset += length


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("ascii", "replace")

"""The kernel's own verdict: a node in a scratch namespace, rulesets, packets, what survives.

A last base chain at input and at postrouting writes the identity of every packet that gets there
into a set and drops it, so that no connection is ever confirmed: each packet is the first of its
connection, whatever was sent before.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from struct import pack
from typing import TypeVar

from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.netns import NODE_MAC, Scratch, configure, forked
from rules.packet import ICMP, ICMPV6, TCP, UDP, Packet, checksum
from rules.parse.ipset import parse_ipset_save
from rules.parse.iptables import parse_iptables_save
from rules.parse.tablejoin import joined
from rules.proof.probe import SUM_AT, frame, icmp
from rules.ruleset import Ruleset
from rules.run import run
from rules.tracing.live import read_nft

T = TypeVar("T")

LOCAL: tuple[IPv4Interface | IPv6Interface, ...] = tuple(
    ip_interface(text)
    for text in (
        "192.0.2.11/24",
        "10.244.1.1/24",
        "fd00:2::11/64",
        "fd00:244:1::1/64",
    )
)
_LOADERS = {
    ("iptables-nft", 4): "iptables-nft-restore",
    ("iptables-nft", 6): "ip6tables-nft-restore",
    ("iptables-legacy", 4): "iptables-legacy-restore",
    ("iptables-legacy", 6): "ip6tables-legacy-restore",
}
_RECORDER = """
table inet zz_recorder {
    counter arrived { }
    set in4 { typeof ip id; size 65535; flags dynamic; }
    set in6 { typeof ip6 flowlabel; size 65535; flags dynamic; }
    set out4 { typeof ip id; size 65535; flags dynamic; }
    set out6 { typeof ip6 flowlabel; size 65535; flags dynamic; }
    chain first {
        type filter hook prerouting priority -2000;
        iifname { "eth0", "pods0" } counter name arrived
    }
    chain last_input {
        type filter hook input priority 2147483000;
        add @in4 { ip id } drop
        add @in6 { ip6 flowlabel } drop
    }
    chain last_output {
        type filter hook postrouting priority 2147483000;
        iifname { "eth0", "pods0" } add @out4 { ip id } drop
        iifname { "eth0", "pods0" } add @out6 { ip6 flowlabel } drop
    }
}
"""
# It has conntrack look at packets, and lets them all pass.
_PERMISSIVE = """
flush ruleset
table inet permissive {
    chain first { type filter hook prerouting priority 0; ct state new counter; }
}
"""
_OWN = frozenset(interface.ip for interface in LOCAL)
_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Saved:
    """A ruleset as text: for nft, for each iptables backend and family, and ipsets.

    ``later`` is for nft after iptables: what somebody adds to iptables' own tables.
    """

    name: str
    nft: str = ""
    iptables: tuple[tuple[str, int, str], ...] = ()
    ipsets: str = ""
    later: str = ""


class Unprintable(Exception):
    """nft aborts while it prints the ruleset that it loaded (seen with 1.0.6)."""


def isolated(work: Callable[[], T]) -> T:
    """The result of ``work`` done in a child process, which may enter namespaces."""
    child = forked(lambda say: say(work()))
    try:
        found: T = child.hear()
        return found
    finally:
        child.end()


def load_failed(saved: Saved, error: CommandError) -> AssertionError:
    """An error that shows what did not load."""
    return AssertionError(f"{saved.name} does not load: {error}")


class Oracle:
    """A node with links and addresses. Make it in a child process (``isolated``)."""

    def __init__(self) -> None:
        self.scratch = Scratch()
        configure(
            [
                "address add 192.0.2.11/24 dev eth0",
                "address add 10.244.1.1/24 dev pods0",
                "address add fd00:2::11/64 dev eth0 nodad",
                "address add fd00:244:1::1/64 dev pods0 nodad",
                "route add default dev eth0",
                "route add ::/0 dev eth0",
            ]
        )
        self._legacy: set[int] = set()
        self._ipsets: set[str] = set()

    def load(self, saved: Saved) -> Ruleset:
        """Puts a ruleset in force in place of the one before, and reads it back."""
        for family in sorted(self._legacy):
            self._restore("iptables-legacy", family, _EMPTY)
        self._legacy.clear()
        run(["nft", "-f", "-"], timeout_s=_TIMEOUT_S, stdin="flush ruleset\n")
        try:
            self._make_sets(saved.ipsets)
            run(["nft", "-f", "-"], timeout_s=_TIMEOUT_S, stdin=_RECORDER + saved.nft)
            for backend, family, text in saved.iptables:
                self._restore(backend, family, text)
            if saved.later:
                run(["nft", "-f", "-"], timeout_s=_TIMEOUT_S, stdin=saved.later)
        except CommandError as error:
            raise load_failed(saved, error) from error
        try:
            return self._read(saved)
        except CommandError as error:
            if "Assertion" in str(error):
                raise Unprintable(saved.name) from error
            raise

    def _make_sets(self, ipsets: str) -> None:
        """Those of earlier rulesets stay: the kernel lets go of rules, and so of sets, later."""
        if ipsets and ipsets not in self._ipsets:
            run(["ipset", "-exist", "restore"], timeout_s=_TIMEOUT_S, stdin=ipsets)
            self._ipsets.add(ipsets)

    def _restore(self, backend: str, family: int, text: str) -> None:
        run([_LOADERS[backend, family]], timeout_s=_TIMEOUT_S, stdin=text)
        if backend == "iptables-legacy":
            self._legacy.add(family)

    def _read(self, saved: Saved) -> Ruleset:
        found = read_nft()
        found = Ruleset(tuple(table for table in found.tables if table.name != "zz_recorder"))
        ipsets = {}
        if saved.ipsets:
            ipsets = parse_ipset_save(run(["ipset", "save"], timeout_s=_TIMEOUT_S).stdout)
        for backend, family in dict.fromkeys((item[0], item[1]) for item in saved.iptables):
            program = _LOADERS[backend, family].replace("restore", "save")
            try:
                text = run([program], timeout_s=_TIMEOUT_S).stdout
            except CommandError:
                if not saved.later:
                    raise
                continue  # as rules.tracing.live does: it gives up on some rules of nft
            found = joined(found, parse_iptables_save(text, backend, family, ipsets))
        return found

    def establish(self, packets: Iterable[Packet]) -> None:
        """Makes connections of UDP packets: each passes, and its answer does too."""
        run(["nft", "-f", "-"], timeout_s=_TIMEOUT_S, stdin=_PERMISSIVE)
        for packet in packets:
            self.scratch.socket(packet.interface_in or "eth0").send(frame_of(packet, 0))
            if packet.destination in _OWN:
                self._answer(packet)
                continue
            answer = Packet(
                family=packet.family,
                protocol=packet.protocol,
                source=packet.destination,
                destination=packet.source,
                source_port=packet.destination_port,
                destination_port=packet.source_port,
            )
            self.scratch.socket("pods0").send(frame_of(answer, 0))

    @staticmethod
    def _answer(packet: Packet) -> None:
        """As a program on the node would."""
        family = socket.AF_INET if packet.family == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as opened:
            opened.bind((str(packet.destination), packet.destination_port))
            opened.sendto(b"", (str(packet.source), packet.source_port))

    def survivors(self, packets: Sequence[Packet]) -> list[str]:
        """For each packet where it came through: ``input``, ``forward`` or empty."""
        for number, packet in enumerate(packets, start=1):
            link = packet.interface_in or "eth0"
            self.scratch.socket(link).send(frame_of(packet, number))
        seen = self._seen(len(packets))
        return [
            next((where for where in ("input", "forward") if key in seen[where]), "")
            for key in ((packet.family, number) for number, packet in enumerate(packets, start=1))
        ]

    def _seen(self, sent: int) -> dict[str, set[tuple[int, int]]]:
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            text = run(
                ["nft", "-j", "list", "table", "inet", "zz_recorder"], timeout_s=_TIMEOUT_S
            ).stdout
            items = json.loads(text)["nftables"]
            [arrived] = [item["counter"]["packets"] for item in items if "counter" in item]
            if arrived >= sent:
                break
            if time.monotonic() > deadline:
                raise AssertionError(f"{arrived} of {sent} packets arrived")
        sets = {item["set"]["name"]: item["set"].get("elem", []) for item in items if "set" in item}
        return {
            "input": _identities(sets["in4"], 4) | _identities(sets["in6"], 6),
            "forward": _identities(sets["out4"], 4) | _identities(sets["out6"], 6),
        }


BUILT_IN = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
# A table without its chains' lines would keep their policies.
_EMPTY = "".join(
    f"*{table}\n" + "".join(f":{name} ACCEPT [0:0]\n" for name in names) + "COMMIT\n"
    for table, names in BUILT_IN.items()
)


def _identities(elements: Iterable[object], family: int) -> set[tuple[int, int]]:
    return {(family, int(str(element), 0)) for element in elements}


def frame_of(packet: Packet, identity: int) -> bytes:
    """The packet as an Ethernet frame that carries a number (IP id or flow label)."""
    content = _content(packet)
    made = bytearray(
        frame(
            packet.source,
            packet.destination,
            packet.protocol,
            content,
            sum_at=SUM_AT.get(packet.protocol, -1),
        )
    )
    made[0:6] = _link_layer(packet.destination)
    if packet.family == 4:
        made[18:20] = pack("!H", identity)
        made[24:26] = b"\0\0"
        made[24:26] = pack("!H", checksum(bytes(made[14:34])))
    else:
        made[14:18] = pack("!I", 0x60000000 | identity)
    return bytes(made)


def _link_layer(destination: IPAddress) -> bytes:
    if destination.is_multicast:
        if destination.version == 4:
            return b"\x01\x00\x5e" + bytes([destination.packed[1] & 0x7F]) + destination.packed[2:]
        return b"\x33\x33" + destination.packed[-4:]
    if str(destination) in ("192.0.2.255", "255.255.255.255"):
        return b"\xff" * 6
    return NODE_MAC


def _content(packet: Packet) -> bytes:
    source, destination = packet.source_port or 0, packet.destination_port or 0
    if packet.protocol == TCP:
        flags = 0x02 if packet.tcp_flags is None else packet.tcp_flags
        return pack("!HHIIBBHHH", source, destination, 1, 0, 0x50, flags, 1024, 0, 0)
    if packet.protocol == UDP:
        return pack("!HHHH", source, destination, 8, 0)
    if packet.protocol in (ICMP, ICMPV6):
        return icmp(packet.icmp_type or 0, packet.icmp_code or 0, 1, bytes(32))
    return bytes(24)

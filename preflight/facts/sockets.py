"""Which sockets listen, v4 and v6: asked of the kernel by socket diagnosis, else from /proc/net."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from preflight.facts import netlink
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from rules.record import record

# linux/sock_diag.h, linux/inet_diag.h
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = struct.Struct("=BBBxI48x")
_ATTRIBUTES = 72
_V6_ONLY = 11
_FAMILIES = {2: 4, 10: 6}
# Name -> IP protocol number, and the states wanted (net/tcp_states.h): a TCP socket that listens, a
# UDP socket without a peer.
_WANTED = {"tcp": (6, 1 << 10), "udp": (17, 1 << 7)}
# The same states as /proc/net writes them.
_STATES = {"tcp": "0A", "udp": "07"}


@record
class Socket:
    """``inode`` tells whose it is. ``dual``: a ``::`` socket that takes IPv4 packets too."""

    protocol: str
    address: IPv4Address | IPv6Address
    port: int
    inode: int
    dual: bool = False


def read_sockets(host: Host) -> Known[tuple[Socket, ...]]:
    """Every TCP listener and every unconnected UDP socket of this network namespace.

    The kernel's socket diagnosis lists just these (0.1 ms for all four); /proc/net has every
    connection and walks the whole hash table for it (4 ms and more a file), so it is the fallback.
    """
    try:
        return _ask_kernel()
    except OSError:
        return _read_proc(host)


def _ask_kernel() -> tuple[Socket, ...]:
    found: list[Socket] = []
    for protocol, (number, states) in _WANTED.items():
        for family in _FAMILIES:
            question = _REQUEST.pack(family, number, 0, states)
            answer = netlink.dump(netlink.SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, question)
            found += parse_diag(answer, protocol)
    return tuple(found)


def parse_diag(messages: Iterable[bytes], protocol: str) -> list[Socket]:
    """inet_diag_msg with its attributes -> sockets; what is too short to be one is left out."""
    found = []
    for message in messages:
        if len(message) < _ATTRIBUTES or message[0] not in _FAMILIES:
            continue
        family = _FAMILIES[message[0]]
        port = int.from_bytes(message[4:6], "big")
        address = _address(message[8 : 12 if family == 4 else 24])
        inode = int.from_bytes(message[68:72], "little" if _LITTLE else "big")
        v6_only = netlink.attributes(message, _ATTRIBUTES).get(_V6_ONLY, b"\0") != b"\0"
        dual = family == 6 and not v6_only and address.is_unspecified
        found.append(Socket(protocol, address, port, inode, dual))
    return found


_LITTLE = struct.pack("=H", 1) == b"\1\0"


def _address(packed: bytes) -> IPv4Address | IPv6Address:
    if len(packed) == 4:
        return IPv4Address(packed)
    address = IPv6Address(packed)
    # A v6 socket that is bound to an IPv4 address takes that one's packets and no other.
    return address.ipv4_mapped or address


def _read_proc(host: Host) -> Known[tuple[Socket, ...]]:
    found: list[Socket] = []
    for protocol in _WANTED:
        text = host.read(f"/proc/net/{protocol}", _PROC_LIMIT_BYTES)
        if isinstance(text, Unknown):
            return text
        found += parse_proc_net(text, protocol)
        # Not there where the kernel has no IPv6.
        text = host.read(f"/proc/net/{protocol}6", _PROC_LIMIT_BYTES)
        if not isinstance(text, Unknown):
            found += parse_proc_net(text, protocol)
    return tuple(_dual(found))


_PROC_LIMIT_BYTES = 64 * 1024 * 1024


def parse_proc_net(text: str, protocol: str) -> list[Socket]:
    """/proc/net/{tcp,tcp6,udp,udp6} -> the sockets that listen, none of them ``dual``.

    Addresses are 32-bit words in the machine's byte order, in hexadecimal.
    """
    wanted = _STATES[protocol]
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 10 or words[3] != wanted:
            continue
        hexadecimal, _, port = words[1].partition(":")
        data = bytes.fromhex(hexadecimal)
        if _LITTLE:
            data = b"".join(data[i : i + 4][::-1] for i in range(0, len(data), 4))
        found.append(Socket(protocol, _address(data), int(port, 16), int(words[9])))
    return found


def _dual(sockets: list[Socket]) -> Iterable[Socket]:
    # /proc/net does not say who takes IPv4 packets too. Sockets do by default; one that shares
    # its port with an IPv4 socket on every address cannot.
    taken = {(s.protocol, s.port) for s in sockets if s.address == IPv4Address(0)}
    for each in sockets:
        dual = each.address == IPv6Address(0) and (each.protocol, each.port) not in taken
        yield Socket(each.protocol, each.address, each.port, each.inode, dual) if dual else each

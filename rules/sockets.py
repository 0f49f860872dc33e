"""/proc/net/tcp and tcp6: the open TCP connections of a network namespace."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from rules.cluster import IPAddress
from rules.record import record

# TCP_ESTABLISHED and TCP_SYN_RECV of the kernel's include/net/tcp_states.h
ESTABLISHED, SYN_RECEIVED = "01", "03"


@record
class Connection:
    """One with two ends. ``inode`` is that of its socket, as /proc/PID/fd has it."""

    local: IPAddress
    local_port: int
    remote: IPAddress
    remote_port: int
    inode: str

    @property
    def on_loopback(self) -> bool:
        """Whether both ends are loopback addresses."""
        return self.local.is_loopback and self.remote.is_loopback


def parse_connections(table: str, state: str = ESTABLISHED) -> Iterator[Connection]:
    """The connections of one of the two files in one state; other lines are passed over."""
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) > 9 and words[3] == state:
            (local, local_port), (remote, remote_port) = map(_end, words[1:3])
            yield Connection(local, local_port, remote, remote_port, words[9])


def plain_address(text: str) -> IPAddress:
    """An address without its zone; IPv4 in IPv6 (::ffff:192.0.2.1) is IPv4. Raises ValueError."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _end(text: str) -> tuple[IPAddress, int]:
    """``0B0200C0:0016``: words of the machine's byte order -> address, port."""
    digits, _, port = text.partition(":")
    raw = bytes.fromhex(digits)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    address: IPAddress = IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)
    return plain_address(str(address)), int(port, 16)

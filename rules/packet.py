"""One packet as a packet filter meets it, and the checksum that it carries. Pure."""

from __future__ import annotations

from struct import unpack

from rules.cluster import IPAddress
from rules.record import record

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
# ICMP that answers a packet: conntrack calls it related, and invalid where nothing was sent.
ICMP_ERRORS = {ICMP: frozenset({3, 4, 5, 11, 12}), ICMPV6: frozenset({1, 2, 3, 4})}
# The states that conntrack gives (and ``untracked``); the names are nft's and iptables' own.
STATES = ("new", "established", "related", "invalid", "untracked")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@record
class Packet:
    """A packet at the moment at which it comes in by an interface (or a program here sends it).

    ``family`` 4 or 6; ``protocol`` is the IP protocol number. None: not said; a rule that asks
    for it then has an unknown answer. ``interface_in`` None is more: the interface that leads to
    ``source``, whatever its name. ``state`` is one of ``STATES``. ``original_destination`` and
    ``original_port`` are those of the connection's first packet, where they differ from
    ``destination`` (DNAT in the past). ``tcp_flags`` None: SYN for a new connection.
    """

    family: int
    protocol: int
    source: IPAddress
    destination: IPAddress
    source_port: int | None = None
    destination_port: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    interface_in: str | None = None
    interface_out: str | None = None
    state: str = "new"
    original_destination: IPAddress | None = None
    original_port: int | None = None
    mark: int = 0
    tcp_flags: int | None = None

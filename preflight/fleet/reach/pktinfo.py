"""Answering a datagram from the address that it was sent to (ip(7), ipv6(7): PKTINFO)."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from struct import pack, unpack_from

from rules.cluster import IPAddress

# <linux/in.h>, <linux/in6.h>
_IP_PKTINFO, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 8, 49, 50
ROOM = 64
Ancillary = list[tuple[int, int, bytes]]


def want(opened: socket.socket) -> None:
    """Has the kernel tell the address that each datagram was sent to."""
    if opened.family == socket.AF_INET:
        opened.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)


def answering(ancillary: Ancillary) -> Ancillary:
    """What came beside a datagram -> what goes beside its answer."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            # struct in_pktinfo: interface, the local address, the header's address.
            _, local, _ = unpack_from("=i4s4s", data)
            return [(level, kind, pack("=i4s4s", 0, local, bytes(4)))]
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO):
            address, interface = unpack_from("=16sI", data)
            link_local = address[0] == 0xFE and address[1] & 0xC0 == 0x80
            return [(level, kind, pack("=16sI", address, interface if link_local else 0))]
    return []


def destination(ancillary: Ancillary) -> IPAddress | None:
    """The address that a datagram was sent to; None where the kernel did not say."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            return ip_address(data[8:12])
        if (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO):
            return ip_address(data[:16])
    return None

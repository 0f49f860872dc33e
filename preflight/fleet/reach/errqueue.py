"""The kernel's queue of ICMP errors about a socket's packets (ip(7), IP_RECVERR)."""

from __future__ import annotations

import socket
from struct import unpack_from

from preflight.fleet.reach.model import IcmpError

# <linux/in.h>, <linux/in6.h>, <linux/errqueue.h>
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PROBE = 10, 23, 3
_FROM_LOCAL, _FROM_ICMP, _FROM_ICMP6 = 1, 2, 3
_EXTENDED_ERROR_BYTES = 16


def want_errors(opened: socket.socket) -> None:
    """Has the kernel keep ICMP errors about this socket's packets."""
    if opened.family == socket.AF_INET:
        opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)


def never_fragment(opened: socket.socket) -> None:
    """DF on every packet, whatever path MTU the kernel believes in."""
    if opened.family == socket.AF_INET:
        opened.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)


def next_error(opened: socket.socket) -> IcmpError | None:
    """The oldest ICMP error that is kept; None where there is none."""
    while True:
        try:
            _, ancillary, _, _ = opened.recvmsg(512, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            return None
        for level, kind, data in ancillary:
            if (level, kind) in (
                (socket.IPPROTO_IP, _IP_RECVERR),
                (socket.IPPROTO_IPV6, _IPV6_RECVERR),
            ):
                found = parse(data)
                if found is not None:
                    return found


def parse(data: bytes) -> IcmpError | None:
    """``struct sock_extended_err`` and the offender's address; None where no ICMP is behind it."""
    _, origin, type_, code, _, info, _ = unpack_from("=IBBBBII", data)
    if origin not in (_FROM_ICMP, _FROM_ICMP6):
        return None
    rest = data[_EXTENDED_ERROR_BYTES:]
    family = unpack_from("=H", rest)[0] if len(rest) >= 2 else 0
    if family == socket.AF_INET:
        sender = socket.inet_ntop(socket.AF_INET, rest[4:8])
    elif family == socket.AF_INET6:
        sender = socket.inet_ntop(socket.AF_INET6, rest[8:24])
    else:
        sender = ""
    return IcmpError(sender, type_, code, info)

"""Raw sockets of one protocol that are given probes and answers and nothing else (raw(7))."""

from __future__ import annotations

import socket
from array import array
from struct import pack

from preflight.fleet.reach.frames import FRAMES
from preflight.fleet.reach.wire import MAGIC
from rules.flows import Protocol

# <asm-generic/socket.h>, <linux/bpf_common.h>
_SO_ATTACH_FILTER = 26
_HEADER_LENGTH, _WORD_AT, _WORD_BEHIND, _IF_EQUAL, _RETURN = 0xB1, 0x20, 0x40, 0x15, 0x06
_ALL = 0xFFFFFFFF


def open_raw(protocol: str, family: int) -> socket.socket:
    """A socket of all packets of ``protocol`` that hold a message. Raises PermissionError without
    CAP_NET_RAW."""
    opened = socket.socket(
        socket.AF_INET if family == 4 else socket.AF_INET6,
        socket.SOCK_RAW | socket.SOCK_CLOEXEC,
        Protocol(protocol).number,
    )
    try:
        _only_messages(opened, protocol, family)
    except OSError:
        opened.close()
        raise
    return opened


def _only_messages(opened: socket.socket, protocol: str, family: int) -> None:
    """Has the kernel throw away what holds no message: all the packets of a busy tunnel."""
    where = FRAMES[protocol].length
    magic = int.from_bytes(MAGIC, "big")
    # Over IPv4 the packet begins with its IP header, whose length is in its first byte.
    load = [(_HEADER_LENGTH, 0, 0, 0), (_WORD_BEHIND, 0, 0, where)]
    code = load if family == 4 else [(_WORD_AT, 0, 0, where)]
    code += [(_IF_EQUAL, 0, 1, magic), (_RETURN, 0, 0, _ALL), (_RETURN, 0, 0, 0)]
    program = array("B", b"".join(pack("=HBBI", *each) for each in code))
    address, _ = program.buffer_info()
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pack("@HP", len(code), address))

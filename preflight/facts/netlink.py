"""Questions to the kernel over netlink: sockets, packet filter tables, routes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

# linux/netlink.h
ROUTE = 0
SOCK_DIAG = 4
NETFILTER = 12
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERROR = struct.Struct("=i")
_REQUEST, _REQUEST_DUMP = 0x1, 0x301
_DUMP_INTERRUPTED = 0x10
_TYPE_ERROR, _TYPE_DONE = 2, 3
# The two top bits of an attribute's type are flags.
_TYPE_MASK = 0x3FFF
# The kernel fills messages up to what the reader offers, 32 KiB at most.
_PIECE_BYTES = 64 * 1024
# The kernel answers in microseconds; this only keeps a broken emulation from hanging the run.
_TIMEOUT_S = 2.0
_TRIES = 3


def dump(protocol: int, kind: int, body: bytes) -> list[bytes]:
    """The bodies of the messages that answer a request; OSError with the kernel's errno.

    What changed while it was listed is listed again.
    """
    for _ in range(_TRIES):
        bodies, interrupted = _answers(protocol, kind, body, _REQUEST_DUMP)
        if not interrupted:
            break
    return bodies


def ask(protocol: int, kind: int, body: bytes) -> bytes:
    """The body of the one message that answers a request; OSError with the kernel's errno."""
    bodies, _ = _answers(protocol, kind, body, _REQUEST)
    return bodies[0] if bodies else b""


def _answers(protocol: int, kind: int, body: bytes, wanted: int) -> tuple[list[bytes], bool]:
    import socket

    bodies: list[bytes] = []
    interrupted = False
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as asked:
        asked.settimeout(_TIMEOUT_S)
        asked.send(_HEADER.pack(_HEADER.size + len(body), kind, wanted, 1, 0) + body)
        while True:
            piece = asked.recv(_PIECE_BYTES)
            if not piece:
                return bodies, interrupted
            for answer, flags, content in messages(piece):
                interrupted = interrupted or bool(flags & _DUMP_INTERRUPTED)
                if answer in (_TYPE_DONE, _TYPE_ERROR):
                    code = _ERROR.unpack_from(content)[0] if len(content) >= 4 else 0
                    if code < 0:
                        raise OSError(-code, os.strerror(-code))
                    return bodies, interrupted
                bodies.append(content)
            if wanted == _REQUEST:
                return bodies, interrupted


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """A piece of an answer -> (type, flags, body) of each message in it."""
    place = 0
    while place + _HEADER.size <= len(data):
        length, kind, flags, _, _ = _HEADER.unpack_from(data, place)
        if length < _HEADER.size:
            return
        yield kind, flags, data[place + _HEADER.size : place + length]
        place += (length + 3) & ~3


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute of a request."""
    length = _ATTRIBUTE.size + len(content)
    return _ATTRIBUTE.pack(length, kind) + content + bytes(-length % 4)


def attributes(data: bytes, start: int = 0) -> dict[int, bytes]:
    """Type -> content of the attributes from ``start`` on; of a repeated type the last."""
    return dict(attribute_list(data, start))


def attribute_list(data: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """(type, content) of each attribute from ``start`` on."""
    place = start
    while place + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, place)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE_MASK, data[place + _ATTRIBUTE.size : place + length]
        place += (length + 3) & ~3

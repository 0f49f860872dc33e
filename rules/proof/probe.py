"""Packets for a proof: frames made in bulk, and sent hundreds at a time.

A probe is the first packet of a connection that no other probe has, so that connection tracking
calls each of them new. Its source port (or ICMP identifier) is chosen such that the checksum is
the same for all ports: one frame is made, and only the ports are written into its copies.
"""

from __future__ import annotations

import ctypes
import os
import socket
from array import array
from collections.abc import Sequence
from struct import pack

from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.netns import NODE_MAC, WORLD_MAC
from rules.packet import ICMP, ICMPV6, TCP, UDP, checksum
from rules.proof.way import Kind

_ETHERNET, _IPV4_HEADER, _IPV6_HEADER = 14, 20, 40
# The kernel takes no more messages in one call (UIO_MAXIOV).
_MESSAGES_PER_CALL = 1024
_WORD = ctypes.sizeof(ctypes.c_void_p)
_WORD_CODE = "Q" if _WORD == 8 else "I"
_SYN, _SYN_ACK = 0x02, 0x12
# "No next header": what follows in a packet of a protocol whose content does not matter.
_NOTHING_FOLLOWS = 59


def frame(
    source: IPAddress, destination: IPAddress, protocol: int, content: bytes, *, sum_at: int = -1
) -> bytes:
    """An Ethernet frame to the node; at ``sum_at`` of ``content`` its checksum is written.

    The pseudo-header is part of it, but for ICMP of IPv4.
    """
    family = source.version
    if sum_at >= 0:
        pseudo = b""
        if (family, protocol) != (4, ICMP):
            pseudo = source.packed + destination.packed + pack("!II", len(content), protocol)
        # 0 means "none" in UDP and equals 0xFFFF everywhere.
        value = checksum(pseudo + content) or 0xFFFF
        content = content[:sum_at] + pack("!H", value) + content[sum_at + 2 :]
    if family == 4:
        length = _IPV4_HEADER + len(content)
        fixed = pack("!BBHHHBB", 0x45, 0, length, 0xFFFF - protocol, 0x4000, 64, protocol)
        ends = source.packed + destination.packed
        header = fixed + pack("!H", checksum(fixed + b"\0\0" + ends)) + ends
        return NODE_MAC + WORLD_MAC + b"\x08\x00" + header + content
    header = pack("!IHBB", 0x60000000, len(content), protocol, 64)
    return (
        NODE_MAC + WORLD_MAC + b"\x86\xdd" + header + source.packed + destination.packed + content
    )


def tcp(source_port: int, port: int, *, answer: bool = False) -> bytes:
    """A SYN, or the SYN and ACK that answers one. The checksum is at 16."""
    flags = _SYN_ACK if answer else _SYN
    return pack("!HHIIBBHHH", source_port, port, 1, int(answer), 0x50, flags, 1024, 0, 0)


def udp(source_port: int, port: int) -> bytes:
    """An empty datagram. The checksum is at 6."""
    return pack("!HHHH", source_port, port, 8, 0)


def icmp(type_: int, code: int, identifier: int, content: bytes = b"") -> bytes:
    """Any ICMP message. The checksum is at 2."""
    return pack("!BBHHH", type_, code, 0, identifier, 1) + content


SUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}


class Bundle:
    """Frames of one family and kind, one for each key (at least one), from any address to any."""

    def __init__(self, family: int, kind: Kind, keys: Sequence[int]) -> None:
        self.family, self.kind, self.keys = family, kind, keys
        self._header = _IPV4_HEADER if family == 4 else _IPV6_HEADER
        self._content = _ETHERNET + self._header
        self._stride = len(self._template(_any(family), _any(family)))
        self._frames = bytearray(self._stride * len(keys))
        self._ends: tuple[IPAddress, IPAddress] | None = None
        self._messages, self._pins = self._make_messages()

    def __len__(self) -> int:
        return len(self.keys)

    def send(self, opened: socket.socket, source: IPAddress, destination: IPAddress) -> None:
        """Sends all of them. Raises CommandError where the kernel does not take one."""
        if self._ends is None or self._ends != (source, destination):
            self._address(source, destination)
        libc, count, sent = ctypes.CDLL(None, use_errno=True), len(self), 0
        at = self._messages.buffer_info()[0]
        while sent < count:
            done = libc.sendmmsg(
                opened.fileno(),
                ctypes.c_void_p(at + sent * 8 * _WORD),
                min(_MESSAGES_PER_CALL, count - sent),
                0,
            )
            if done <= 0:
                reason = os.strerror(ctypes.get_errno())
                raise CommandError("failed", f"probes cannot be sent: {reason}")
            sent += done

    def _template(self, source: IPAddress, destination: IPAddress) -> bytes:
        number = self.kind.number(self.family)
        if self.kind is Kind.TCP:
            content = tcp(0, 0xFFFF)
        elif self.kind is Kind.UDP:
            content = udp(0, 0xFFFF)
        elif self.kind is Kind.ICMP:
            content = icmp(0, 0, 0xFFFF, bytes(16))
        elif self.kind is Kind.SCTP:
            content = _INIT
        else:
            content = bytes([_NOTHING_FOLLOWS]) + bytes(23)
        return frame(source, destination, number, content, sum_at=SUM_AT.get(number, -1))

    def _address(self, source: IPAddress, destination: IPAddress) -> None:
        template = self._template(source, destination)
        fresh, count, stride = self._ends is None, len(self), self._stride
        if fresh:
            self._frames[:] = template * count
            self._write_keys()
        else:
            first = _ETHERNET + (10 if self.family == 4 else 8)
            sums = SUM_AT.get(self.kind.number(self.family))
            places = [*range(first, self._content)]
            if sums is not None:
                places += [self._content + sums, self._content + sums + 1]
            for place in places:
                self._frames[place::stride] = template[place : place + 1] * count
        self._ends = (source, destination)

    def _write_keys(self) -> None:
        """The key, and beside it what keeps the checksum as it is."""
        keys = array("H", self.keys)
        others = array("H", [0xFFFF - key for key in self.keys])
        at = self._content
        if self.kind is Kind.PROTOCOL:
            protocol_at = _ETHERNET + (9 if self.family == 4 else 6)
            self._frames[protocol_at :: self._stride] = bytes(self.keys)
            if self.family == 4:
                self._write(_ETHERNET + 4, others)
        elif self.kind is Kind.ICMP:
            self._write(at, keys)
            self._write(at + 4, others)
        else:
            self._write(at, others)
            self._write(at + 2, keys)
        if self.kind is Kind.SCTP:
            sums = [_sctp_sum(0xFFFF - key, key) for key in self.keys]
            for lane in range(4):
                values = bytes(total >> 8 * lane & 0xFF for total in sums)
                self._frames[at + 8 + lane :: self._stride] = values

    def _write(self, place: int, values: array[int]) -> None:
        """Sixteen bits of each frame, in network order."""
        high, low = bytes(v >> 8 for v in values), bytes(v & 0xFF for v in values)
        self._frames[place :: self._stride] = high
        self._frames[place + 1 :: self._stride] = low

    def _make_messages(self) -> tuple[array[int], tuple[object, ...]]:
        """``struct mmsghdr`` of <sys/socket.h>, eight words each: iov, iovlen are the 3rd and 4th.

        The second value are the buffers that they point to.
        """
        count, stride = len(self), self._stride
        pinned = (ctypes.c_char * len(self._frames)).from_buffer(self._frames)
        base = ctypes.addressof(pinned)
        vectors = array(_WORD_CODE, bytes(2 * _WORD * count))
        vectors[0::2] = array(_WORD_CODE, range(base, base + count * stride, stride))
        vectors[1::2] = array(_WORD_CODE, [stride]) * count
        at = vectors.buffer_info()[0]
        messages = array(_WORD_CODE, bytes(8 * _WORD * count))
        messages[2::8] = array(_WORD_CODE, range(at, at + count * 2 * _WORD, 2 * _WORD))
        messages[3::8] = array(_WORD_CODE, [1]) * count
        return messages, (vectors, pinned)


def _any(family: int) -> IPAddress:
    from ipaddress import ip_address

    return ip_address("0.0.0.0" if family == 4 else "::")  # noqa: S104 - nobody listens on it


# INIT of RFC 9260: a verification tag of 0, and room for the CRC at 8.
_INIT = pack("!HHII", 0, 0, 0, 0) + pack("!BBHIIHHI", 1, 0, 20, 1, 65536, 1, 1, 1)
_POLYNOMIAL = 0x82F63B78


def _crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _make_lanes() -> list[list[int]]:
    """A CRC is linear: what each value of each of the four port bytes changes in the sum."""
    empty = _crc32c(bytes(len(_INIT)))
    lanes = []
    for place in range(4):
        bits = [
            _crc32c(bytes(place) + bytes([1 << bit]) + bytes(len(_INIT) - place - 1)) ^ empty
            for bit in range(8)
        ]
        lane = [0] * 256
        for value in range(1, 256):
            bit = value.bit_length() - 1
            lane[value] = lane[value ^ 1 << bit] ^ bits[bit]
        lanes.append(lane)
    return lanes


_sctp_tables: list[list[int]] = []
_sctp_base = _crc32c(_INIT)


def _sctp_sum(source_port: int, port: int) -> int:
    if not _sctp_tables:
        _sctp_tables.extend(_make_lanes())
    first, second, third, fourth = _sctp_tables
    return (
        _sctp_base
        ^ first[source_port >> 8]
        ^ second[source_port & 0xFF]
        ^ third[port >> 8]
        ^ fourth[port & 0xFF]
    )

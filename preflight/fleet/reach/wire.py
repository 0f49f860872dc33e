"""Probes and answers as bytes: each carries an HMAC under the key of the run. Pure.

A message is a header, 16 bytes of HMAC-SHA256 over everything else, and a body. A probe names the
address that it is for, so that one caught on its way is none to another node. No answer is longer
than the probe asked for and was itself, so that nobody can use a listener to flood others.
"""

from __future__ import annotations

import hashlib
import hmac
from struct import Struct

from rules.cluster import IPAddress
from rules.record import record

MAGIC = b"NPR1"
# magic, kind, IP protocol, port, session, sequence, time in ns since 1970, size, size wanted back,
# address
_HEADER = Struct("!4sBBH8sIQII16s")
MAC_BYTES = 16
OVERHEAD_BYTES = _HEADER.size + MAC_BYTES
# Room for the answer to the smallest probe, with the longest node name.
SMALLEST_BYTES = 160
# The largest message: jumbo frames, and an inventory of many ports.
LARGEST_BYTES = 64 * 1024
PROBE, ANSWER, ASK, INVENTORY = 1, 2, 3, 4
KEY_BYTES = 32


@record
class Message:
    """``sequence`` counts the probes of one ``session`` (8 random bytes); an answer repeats both.

    ``sent_ns`` is the sender's clock, ``size`` the whole message in bytes, ``wanted`` the size that
    the answer is to have. ``to`` is the address that was probed, see ``place``.
    """

    kind: int
    protocol: int
    port: int
    session: bytes
    sequence: int
    sent_ns: int
    size: int
    wanted: int
    to: bytes
    body: bytes = b""


def place(address: IPAddress) -> bytes:
    """16 bytes: of an IPv4 address those of the IPv6 one that stands for it (RFC 4291, 2.5.5.2)."""
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def encode(key: bytes, message: Message) -> bytes:
    """The bytes, padded with zeros to ``message.size``."""
    header = _HEADER.pack(
        MAGIC,
        message.kind,
        message.protocol,
        message.port,
        message.session,
        message.sequence,
        message.sent_ns,
        message.size,
        message.wanted,
        message.to,
    )
    body = message.body.ljust(message.size - OVERHEAD_BYTES, b"\0")
    return header + _mac(key, header, body) + body


def size_of(data: bytes) -> int | None:
    """How long the message is that begins with ``data``; None where it is none of ours.

    0: more has to come before that can be told.
    """
    if not MAGIC.startswith(data[: len(MAGIC)]):
        return None
    if len(data) < _HEADER.size:
        return 0
    size: int = _HEADER.unpack_from(data)[7]
    return size if OVERHEAD_BYTES <= size <= LARGEST_BYTES else None


def decode(key: bytes, data: bytes) -> Message | None:
    """The message; None for whatever somebody without the key may have sent."""
    if len(data) < OVERHEAD_BYTES or size_of(data) != len(data):
        return None
    header = data[: _HEADER.size]
    mac, body = data[_HEADER.size : OVERHEAD_BYTES], data[OVERHEAD_BYTES:]
    if not hmac.compare_digest(mac, _mac(key, header, body)):
        return None
    _, kind, protocol, port, session, sequence, sent_ns, size, wanted, to = _HEADER.unpack(header)
    return Message(kind, protocol, port, session, sequence, sent_ns, size, wanted, to, body)


def _mac(key: bytes, header: bytes, body: bytes) -> bytes:
    return hmac.new(key, header + body, hashlib.sha256).digest()[:MAC_BYTES]


class Replays:
    """Which probes were answered: none is answered twice.

    As RFC 4303, 3.4.3, for IPsec: the highest sequence of each session and which of the last 1024
    came. A full table takes no new session rather than forget one: about 10 MiB.
    """

    WINDOW = 1024
    SESSIONS = 16_384

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[int, int]] = {}

    def is_new(self, session: bytes, sequence: int) -> bool:
        """Whether this one never came; it has then."""
        highest, bits = self._seen.get(session, (-1, 0))
        if highest < 0 and len(self._seen) >= self.SESSIONS:
            return False
        if sequence > highest:
            bits = (bits << min(sequence - highest, self.WINDOW) | 1) & ((1 << self.WINDOW) - 1)
            self._seen[session] = (sequence, bits)
            return True
        behind = highest - sequence
        if behind >= self.WINDOW or bits >> behind & 1:
            return False
        self._seen[session] = (highest, bits | 1 << behind)
        return True

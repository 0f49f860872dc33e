"""IP protocols without ports: what stands before a message in such a packet. Pure.

The headers are those of the protocol, so that what looks into packets on the way sees the real
thing; what is inside of them is such that a tunnel that is up at the peer throws it away unread.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from struct import pack

from rules.flows import Protocol
from rules.packet import checksum
from rules.record import record

# An echo request is answered by the peer's kernel (RFC 792, RFC 4443): type of question and answer.
ECHO = {Protocol.ICMP.value: (8, 0), Protocol.ICMPV6.value: (128, 129)}
# RFC 3692, RFC 4728: for experiments. Nobody listens.
_EXPERIMENT = 253
# RFC 8200, 4.7: nothing follows.
_NOTHING = 59
# IEEE 802, table of EtherTypes: local experiments.
_ETHERTYPE = 0x88B5
# RFC 4303, 2.1: 1 to 255 are reserved. That of no association: "NPR1".
_SPI = 0x4E505231
_IP_HEADERS = {4: 20, 6: 40}


@record
class Frame:
    """``length``: the bytes that ``head`` makes of the message's length and a counter."""

    length: int
    head: Callable[[int, int], bytes]


def _ipip(length: int, count: int) -> bytes:
    """From loopback to loopback, with a checksum that is wrong: no host takes it in."""
    ends = ip_address("127.0.0.1").packed * 2
    fixed = pack("!BBHHHBB", 0x45, 0, 20 + length, count & 0xFFFF, 0, 1, _EXPERIMENT)
    wrong = checksum(fixed + b"\0\0" + ends) ^ 0xFFFF
    return fixed + pack("!H", wrong) + ends


def _ip6(length: int, _count: int) -> bytes:
    """From loopback to loopback, which no host takes in from outside (RFC 4291, 2.5.3)."""
    return pack("!IHBB", 0x60000000, length, _NOTHING, 1) + ip_address("::1").packed * 2


def _echo(kind: int) -> Callable[[int, int], bytes]:
    return lambda _length, count: pack("!BBHHH", kind, 0, 0, 0, count & 0xFFFF)


FRAMES = {
    Protocol.IPIP.value: Frame(20, _ipip),
    Protocol.IPV6.value: Frame(40, _ip6),
    # RFC 2784: version 0 without options.
    Protocol.GRE.value: Frame(4, lambda _length, _count: pack("!HH", 0, _ETHERTYPE)),
    Protocol.ESP.value: Frame(8, lambda _length, count: pack("!II", _SPI, count & 0xFFFFFFFF)),
    # RFC 4302, 2: no integrity value, so the length field is 3 - 2.
    Protocol.AH.value: Frame(
        12, lambda _length, count: pack("!BBHII", _NOTHING, 1, 0, _SPI, count & 0xFFFFFFFF)
    ),
    **{name: Frame(8, _echo(asked)) for name, (asked, _) in ECHO.items()},
}


def wrap(protocol: str, message: bytes, count: int) -> bytes:
    """What follows the IP header. The kernel writes ICMPv6's checksum (RFC 3542, 3.1)."""
    packet = FRAMES[protocol].head(len(message), count) + message
    if protocol != Protocol.ICMP.value:
        return packet
    return packet[:2] + pack("!H", checksum(packet)) + packet[4:]


def unwrap(protocol: str, family: int, packet: bytes, *, kind: int = 0) -> bytes:
    """The message of a packet as a raw socket has it: over IPv4 with its header (raw(7)).

    Of ICMP only what has the type ``kind``. Empty where there is none.
    """
    start = (packet[0] & 0xF) * 4 if family == 4 and packet else 0
    if protocol in ECHO and packet[start : start + 1] != bytes([kind]):
        return b""
    return packet[start + FRAMES[protocol].length :]


def overhead(protocol: str, family: int) -> int:
    """Bytes of a packet that are no message."""
    return _IP_HEADERS[family] + FRAMES[protocol].length

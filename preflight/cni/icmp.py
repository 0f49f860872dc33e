"""ICMP echo and what routers say of it, both families, as bytes. Pure.

Sources: RFC 792, RFC 1191 (the MTU in "fragmentation needed"), RFC 4443.
"""

from __future__ import annotations

from struct import pack, unpack_from

from rules.record import record

HEADERS = {4: 20, 6: 40}
_ECHO = {4: (8, 0), 6: (128, 129)}
_UNREACHABLE = {
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    9: "network administratively prohibited",
    10: "host administratively prohibited",
    13: "administratively prohibited",
}
_UNREACHABLE_V6 = {
    0: "no route",
    1: "administratively prohibited",
    3: "address unreachable",
    4: "port unreachable",
    5: "source address failed policy",
    6: "route rejected",
}


@record
class Heard:
    """An answer to one of our echoes. ``mtu``: what fits, where the packet was too big for a link.

    ``refusal`` is what a router said instead of passing it, empty for a reply.
    """

    identifier: int
    sequence: int
    refusal: str = ""
    mtu: int = 0


def echo(family: int, identifier: int, sequence: int, size: int) -> bytes:
    """An echo request that fills an IP packet of ``size`` bytes; the checksum for IPv4 only.

    For IPv6 the kernel sums up, as it alone knows the source address.
    """
    payload = bytes(max(0, size - HEADERS[family] - 8))
    kind = _ECHO[family][0]
    head = pack("!BBHHH", kind, 0, 0, identifier, sequence)
    if family == 6:
        return head + payload
    return pack("!BBHHH", kind, 0, _checksum(head + payload), identifier, sequence) + payload


def parse(family: int, data: bytes) -> Heard | None:
    """What a raw socket got (IPv4 with its header) -> an answer to an echo; None for the rest."""
    if family == 4:
        data = data[(data[0] & 15) * 4 :] if data else b""
    if len(data) < 8:
        return None
    kind, code = data[0], data[1]
    if kind == _ECHO[family][1] and (family == 6 or kind == 0):
        identifier, sequence = unpack_from("!HH", data, 4)
        return Heard(identifier, sequence)
    return _refusal(family, kind, code, data)


def _refusal(family: int, kind: int, code: int, data: bytes) -> Heard | None:
    inner = data[8:]
    offset = (inner[0] & 15) * 4 if family == 4 and inner else 40
    if len(inner) < offset + 8 or inner[offset] != _ECHO[family][0]:
        return None
    identifier, sequence = unpack_from("!HH", inner, offset + 4)
    if family == 4 and kind == 3 and code == 4:
        mtu = unpack_from("!H", data, 6)[0]
        return Heard(identifier, sequence, "fragmentation needed", mtu)
    if family == 6 and kind == 2:
        return Heard(identifier, sequence, "packet too big", unpack_from("!I", data, 4)[0])
    if family == 4 and kind == 3:
        return Heard(identifier, sequence, _UNREACHABLE.get(code, f"unreachable, code {code}"))
    if family == 6 and kind == 1:
        return Heard(identifier, sequence, _UNREACHABLE_V6.get(code, f"unreachable, code {code}"))
    if (family, kind) in ((4, 11), (6, 3)):
        return Heard(identifier, sequence, "time exceeded")
    return None


def _checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(unpack_from(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

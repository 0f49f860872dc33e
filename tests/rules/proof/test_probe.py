"""Frames: every one of a bundle is a valid packet of its own."""

from __future__ import annotations

from ipaddress import ip_address
from struct import pack, unpack

import pytest

from rules.packet import ICMP, checksum
from rules.proof.probe import SUM_AT, Bundle, frame, udp
from rules.proof.way import Kind

ENDS = {
    4: (ip_address("192.0.2.77"), ip_address("198.51.100.3")),
    6: (ip_address("2001:db8::77"), ip_address("2001:db8:5::3")),
}
KEYS = {
    Kind.TCP: (0, 1, 22, 10250, 65535),
    Kind.UDP: (0, 53, 8472, 65535),
    Kind.SCTP: (0, 30000, 65535),
    Kind.ICMP: (0, 3 << 8 | 4, 8 << 8, 128 << 8, 65535),
    Kind.PROTOCOL: (2, 4, 50, 255),
}


def packets(bundle: Bundle, family: int) -> list[bytes]:
    """The frames as they would be sent, without their Ethernet header."""
    first, then = ENDS[family]
    # Twice: the second time, only the addresses are written.
    bundle._address(then, first)
    bundle._address(first, then)
    size = bundle._stride
    return [bytes(bundle._frames[at : at + size])[14:] for at in range(0, len(bundle) * size, size)]


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", Kind)
def test_each_frame_has_its_key_its_addresses_and_right_checksums(kind: Kind, family: int) -> None:
    source, destination = ENDS[family]
    for key, packet in zip(
        KEYS[kind], packets(Bundle(family, kind, KEYS[kind]), family), strict=True
    ):
        header = 20 if family == 4 else 40
        content = packet[header:]
        number = packet[9] if family == 4 else packet[6]
        assert packet[header - len(source.packed) : header] == destination.packed
        assert packet[header - 2 * len(source.packed) : header - len(source.packed)] == (
            source.packed
        )
        if family == 4:
            assert checksum(packet[:20]) == 0
            assert unpack("!H", packet[2:4])[0] == len(packet)
        else:
            assert unpack("!H", packet[4:6])[0] == len(content)
        if kind is Kind.PROTOCOL:
            assert number == key
            continue
        assert number == kind.number(family)
        seen = content[0] << 8 | content[1] if kind is Kind.ICMP else unpack("!H", content[2:4])[0]
        assert seen == key
        if kind is Kind.SCTP:
            assert unpack("<I", content[8:12])[0] == crc32c(content[:8] + bytes(4) + content[12:])
            continue
        pseudo = source.packed + destination.packed + pack("!II", len(content), number)
        assert checksum((b"" if number == ICMP else pseudo) + content) == 0


def test_no_two_probes_of_a_bundle_share_a_connection() -> None:
    bundle = Bundle(4, Kind.TCP, tuple(range(0, 65536, 257)))
    assert len({packet[20:24] for packet in packets(bundle, 4)}) == len(bundle)


def test_a_datagrams_checksum_is_never_the_word_for_none() -> None:
    source, destination = ENDS[4]
    for port in range(2000):
        sent = frame(source, destination, 17, udp(port, 53), sum_at=SUM_AT[17])
        assert sent[14 + 20 + 6 : 14 + 20 + 8] != b"\0\0"

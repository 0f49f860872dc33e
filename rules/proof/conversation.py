"""Packets that belong to a connection: what a node and its pods send, and what comes back."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from struct import pack

from rules.cluster import IPAddress
from rules.packet import ICMP, ICMPV6, TCP, UDP
from rules.proof.probe import SUM_AT, frame, tcp, udp

# Ports that the node's own connections go to: names and pages.
_ASKED = {UDP: 53, TCP: 443}
# An ICMP error that no flow admits, so that only "related" lets it in: source quench, and a type
# of ICMPv6 that is kept for experiments (RFC 4443).
_STRANGE_ERROR = {4: 4, 6: 100}


def loopback(family: int) -> IPAddress:
    """An address that only the node itself can send from, and to."""
    return ip_address("127.0.0.1" if family == 4 else "::1")


def questions(source: IPAddress, destination: IPAddress, port: int) -> Iterable[bytes]:
    """What a pod asks: a SYN and a datagram."""
    for protocol, content in _openings(port, _ASKED).items():
        yield frame(source, destination, protocol, content, sum_at=SUM_AT[protocol])


def _openings(port: int, asked: Mapping[int, int]) -> dict[int, bytes]:
    return {
        protocol: (tcp if protocol == TCP else udp)(port, target)
        for protocol, target in asked.items()
    }


def send_raw(
    source: IPAddress, destination: IPAddress, port: int, asked: Mapping[int, int] = _ASKED
) -> None:
    """From this node itself, past its sockets but through its packet filter."""
    kind = socket.AF_INET if source.version == 4 else socket.AF_INET6
    for protocol, content in _openings(port, asked).items():
        with socket.socket(kind, socket.SOCK_RAW, protocol) as opened:
            opened.bind((str(source), 0))
            whole = frame(source, destination, protocol, content, sum_at=SUM_AT[protocol])
            opened.sendto(whole[-len(content) :], (str(destination), 0))


def answers(source: IPAddress, destination: IPAddress, port: int) -> Iterable[bytes]:
    """What comes back: SYN and ACK, a datagram, and an error about the datagram."""
    yield frame(source, destination, TCP, tcp(_ASKED[TCP], port, answer=True), sum_at=SUM_AT[TCP])
    yield frame(source, destination, UDP, udp(_ASKED[UDP], port), sum_at=SUM_AT[UDP])
    family = source.version
    number = ICMP if family == 4 else ICMPV6
    ethernet = len(frame(source, destination, UDP, b"")) - (20 if family == 4 else 40)
    asked = frame(destination, source, UDP, udp(port, _ASKED[UDP]), sum_at=SUM_AT[UDP])
    # The first four bytes after the checksum are unused in an error.
    error = pack("!BBHI", _STRANGE_ERROR[family], 0, 0, 0) + asked[ethernet:]
    yield frame(source, destination, number, error, sum_at=SUM_AT[number])

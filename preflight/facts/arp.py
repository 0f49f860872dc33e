"""Asks the link whether somebody else has this node's IPv4 addresses (RFC 5227, section 2.1.1)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import DuplicateProbe, Interface
from preflight.facts.model.uplinks import is_port, uplinks, usable_addresses
from rules.record import record

if TYPE_CHECKING:
    import socket

# At most three packets an address, and 0.42 s in all: a host on the link answers in milliseconds,
# and a person or a fleet waits for the end of it.
PROBE_AT_S = (0.0, 0.14, 0.28)
PROBE_END_S = 0.42
ADDRESS_LIMIT = 16
ETHERTYPE_ARP = 0x0806
_BROADCAST = b"\xff" * 6
# Ethernet, IPv4, lengths 6 and 4.
_HEADER = bytes.fromhex("0001 0800 06 04")
_REQUEST, _REPLY = 1, 2
_ETHERNET_HEADER = 14
_ARP_LENGTH = 28
# linux/if_packet.h: a packet that this machine sent itself.
_PACKET_OUTGOING = 4


@record
class Target:
    """An address to ask for: ``mac`` is the interface's own, ``address`` 4 bytes."""

    interface: str
    mac: bytes
    address: bytes
    probe: DuplicateProbe
    answers_itself: bool


def arp_probe(mac: bytes, address: bytes) -> bytes:
    """An Ethernet frame that asks who has ``address``, from 0.0.0.0, so that no cache changes."""
    request = _HEADER + _REQUEST.to_bytes(2, "big") + mac + bytes(4) + bytes(6) + address
    frame = _BROADCAST + mac + ETHERTYPE_ARP.to_bytes(2, "big") + request
    return frame.ljust(60, b"\0")


def parse_arp(frame: bytes) -> tuple[bytes, bytes] | None:
    """The sender's MAC and IPv4 address of an ARP frame; None for any other frame."""
    body = frame[_ETHERNET_HEADER : _ETHERNET_HEADER + _ARP_LENGTH]
    if len(body) < _ARP_LENGTH or body[:6] != _HEADER:
        return None
    if int.from_bytes(body[6:8], "big") not in (_REQUEST, _REPLY):
        return None
    return body[8:14], body[14:18]


def claims(target: Target, sender: tuple[bytes, bytes], own_macs: frozenset[bytes]) -> bool:
    """Whether the sender of an ARP packet says that it has our address.

    The kernel answers for every address on every interface, so a MAC of ours is no stranger's;
    but what comes in with the very MAC of the interface that asked was sent by its double. Bonds
    and bridges may hear themselves.
    """
    mac, address = sender
    if address != target.address:
        return False
    return mac not in own_macs or (mac == target.mac and not target.answers_itself)


def choose_targets(interfaces: Iterable[Interface]) -> tuple[Target, ...]:
    """The IPv4 addresses to ask for: of connected Ethernet uplinks, at most ``ADDRESS_LIMIT``."""
    every = tuple(interfaces)
    found = []
    for item in uplinks(every):
        mac = _mac(item.mac)
        if not (item.up and item.carrier and item.arp and mac) or is_port(item, every):
            continue
        for address in usable_addresses(item):
            if address.ip.version == 4:
                probe = DuplicateProbe(item.name, address.ip, "", 0)
                own_echo = item.kind in ("bond", "team", "bridge", "openvswitch")
                found.append(Target(item.name, mac, address.ip.packed, probe, own_echo))
    return tuple(found[:ADDRESS_LIMIT])


def _mac(text: str) -> bytes:
    try:
        mac = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        return b""
    return mac if len(mac) == 6 else b""


def start_probes(
    host: Host, interfaces: Known[tuple[Interface, ...]]
) -> Callable[[], Known[tuple[DuplicateProbe, ...]]]:
    """Starts probing beside the rest; calling the answer waits for what is left of it.

    Sets ``host.link_asked`` when the link has been asked, or is not to be.
    """
    if host.offline:
        unknown = Unknown("not-asked", "--offline: the link is not asked who has our addresses")
        return lambda: unknown
    if isinstance(interfaces, Unknown):
        host.link_asked.set()
        return lambda: interfaces
    targets = choose_targets(interfaces)
    if not targets:
        host.link_asked.set()
        return lambda: ()
    own_macs = frozenset(mac for item in interfaces if (mac := _mac(item.mac)))
    answers: list[Known[tuple[DuplicateProbe, ...]]] = []

    def ask() -> None:
        answers.append(probe(targets, own_macs, host.link_asked))
        host.link_asked.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()

    def finish() -> Known[tuple[DuplicateProbe, ...]]:
        thread.join(2 * PROBE_END_S)
        return answers[0] if answers else Unknown("timeout", "the link was not asked in time")

    return finish


def probe(
    targets: tuple[Target, ...], own_macs: frozenset[bytes], asked: threading.Event
) -> Known[tuple[DuplicateProbe, ...]]:
    """Sends the probes and listens, ``PROBE_END_S`` in all. Needs CAP_NET_RAW.

    ``asked``: set when every address has been asked for once.
    """
    import socket

    sockets: dict[str, socket.socket] = {}
    try:
        for name in dict.fromkeys(target.interface for target in targets):
            opened = socket.socket(
                socket.AF_PACKET,
                socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                socket.htons(ETHERTYPE_ARP),
            )
            sockets[name] = opened
            opened.bind((name, ETHERTYPE_ARP))
        return _exchange(sockets, targets, own_macs, asked)
    except PermissionError:
        return Unknown("denied", "asking the link who has our addresses needs CAP_NET_RAW (root)")
    except OSError as error:
        return Unknown("failed", f"the link cannot be asked who has our addresses: {error}")
    finally:
        for opened in sockets.values():
            opened.close()


def _exchange(
    sockets: dict[str, socket.socket],
    targets: tuple[Target, ...],
    own_macs: frozenset[bytes],
    asked: threading.Event,
) -> tuple[DuplicateProbe, ...]:
    owners: dict[Target, str] = {}
    sent = dict.fromkeys(targets, 0)
    started = time.monotonic()
    for place, _ in enumerate(PROBE_AT_S):
        for target in targets:
            if target not in owners:
                sockets[target.interface].send(arp_probe(target.mac, target.address))
                sent[target] += 1
        asked.set()
        until = (*PROBE_AT_S, PROBE_END_S)[place + 1] + started
        _listen(sockets, targets, own_macs, owners, until)
        if len(owners) == len(targets):
            break
    return tuple(
        DuplicateProbe(target.interface, target.probe.address, owners.get(target, ""), sent[target])
        for target in targets
    )


def _listen(
    sockets: dict[str, socket.socket],
    targets: tuple[Target, ...],
    own_macs: frozenset[bytes],
    owners: dict[Target, str],
    until: float,
) -> None:
    import select

    poller = select.poll()
    names = {opened.fileno(): name for name, opened in sockets.items()}
    for descriptor in names:
        poller.register(descriptor, select.POLLIN)
    while (left := until - time.monotonic()) > 0 and len(owners) < len(targets):
        for descriptor, _ in poller.poll(left * 1000):
            name = names[descriptor]
            frame, source = sockets[name].recvfrom(2048)
            sender = None if source[2] == _PACKET_OUTGOING else parse_arp(frame)
            for target in targets:
                if sender and target.interface == name and claims(target, sender, own_macs):
                    owners.setdefault(target, sender[0].hex(":"))

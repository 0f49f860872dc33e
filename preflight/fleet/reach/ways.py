"""How messages get to a peer one by one: as UDP datagrams, or as packets of a raw protocol."""

from __future__ import annotations

import itertools
import socket

from preflight.fleet.reach.errqueue import never_fragment, want_errors
from preflight.fleet.reach.frames import ECHO, overhead, unwrap, wrap
from preflight.fleet.reach.model import Errand
from preflight.fleet.reach.rawsocket import open_raw
from preflight.fleet.reach.wire import LARGEST_BYTES

# IPv4 and IPv6 header with UDP's.
_UDP_HEADERS = {4: 28, 6: 48}


class Way:
    """UDP. ``headers``: bytes of a packet that are no message; ``echo``: whether the peer's kernel
    sends each message back as it is; ``patient``: whether an answer may come after an ICMP error.
    """

    echo = patient = False

    def __init__(self, errand: Errand) -> None:
        self.headers = _UDP_HEADERS[errand.address.version]
        self.opened = socket_of(errand, socket.SOCK_DGRAM)

    def __enter__(self) -> Way:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.close()

    def connect(self, errand: Errand) -> str:
        """This host's own address towards the peer. Never lets its packets be fragmented."""
        never_fragment(self.opened)
        want_errors(self.opened)
        self.opened.connect((str(errand.address), errand.port))
        return str(self.opened.getsockname()[0])

    def send(self, message: bytes) -> None:
        """One packet."""
        self.opened.send(message)

    def receive(self) -> bytes:
        """The message of the next packet; empty where it holds none of the peer's."""
        return self.opened.recv(LARGEST_BYTES)


class RawWay(Way):
    """A protocol without ports. Raises PermissionError without CAP_NET_RAW.

    A tunnel's kernel module at the peer may refuse what the listener beside it answers.
    """

    patient = True

    def __init__(self, errand: Errand) -> None:
        self._protocol, self._family = errand.protocol, errand.address.version
        self.headers = overhead(self._protocol, self._family)
        self.echo = self._protocol in ECHO
        self._answers = ECHO[self._protocol][1] if self.echo else 0
        self._count = itertools.count(1)
        self.opened = open_raw(self._protocol, self._family)

    def send(self, message: bytes) -> None:
        """One packet."""
        self.opened.send(wrap(self._protocol, message, next(self._count)))

    def receive(self) -> bytes:
        """The message of the next packet; empty where it holds none of the peer's."""
        packet = self.opened.recv(LARGEST_BYTES)
        return unwrap(self._protocol, self._family, packet, kind=self._answers)


def way(errand: Errand) -> Way:
    """The way of an errand's protocol, TCP aside."""
    return Way(errand) if errand.protocol == "udp" else RawWay(errand)


def socket_of(errand: Errand, kind: int) -> socket.socket:
    """A socket of the peer's family."""
    family = socket.AF_INET if errand.address.version == 4 else socket.AF_INET6
    return socket.socket(family, kind | socket.SOCK_CLOEXEC)

"""Run in a machine: which of all 65,535 ports of an address give any answer at all.

Arguments: address, tcp or udp. Prints JSON. A SYN (or an empty datagram) is sent to each port with
a raw socket, and what comes back is read with raw sockets too: TCP of any kind, UDP, and ICMP
errors about what was sent.
"""

from __future__ import annotations

import json
import select
import socket
import sys
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from struct import pack, unpack_from

PORTS = range(1, 65536)
# After so many packets their answers are read: neither a receive buffer nor the queue between two
# namespaces (net.core.netdev_max_backlog, 1,000) ever fills.
_BATCH = 200
# Nothing for so long: nothing more comes. The namespaces are on one machine.
_QUIET_S = 0.3
# For the target's hardware address; few packets wait for one (net.ipv4.neigh.*.unres_qlen).
_NEIGHBOUR_S = 0.05
_SYN = 0x02
_IPV6_CHECKSUM = 7  # <linux/in6.h>: where the kernel writes the checksum
_PORT_UNREACHABLE = {4: 3, 6: 1}  # the ICMP type of "destination unreachable"

Read = Callable[[bytes], int]


def _folded(total: int) -> int:
    """A sum of 16-bit words, with its carries added (RFC 1071)."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _source(target: str, family: int) -> str:
    """The address that this machine uses towards the target."""
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        asked.connect((target, 9))
        return str(asked.getsockname()[0])


class Scan:
    """One protocol to one address, from one source port."""

    def __init__(self, target: str, protocol: str) -> None:
        self._target, self._tcp = target, protocol == "tcp"
        self._version = ip_address(target).version
        self._family = socket.AF_INET if self._version == 4 else socket.AF_INET6
        # Holds the source port: nobody else's answers come to it.
        self._holder = socket.socket(
            self._family, socket.SOCK_STREAM if self._tcp else socket.SOCK_DGRAM
        )
        self._holder.bind((_source(target, self._family), 0))
        self._source, self._port = self._holder.getsockname()[:2]
        self._sender = self._raw(socket.IPPROTO_TCP if self._tcp else socket.IPPROTO_UDP)
        if self._version == 6:
            self._sender.setsockopt(socket.IPPROTO_IPV6, _IPV6_CHECKSUM, 16 if self._tcp else 6)
        icmp = self._raw(socket.IPPROTO_ICMP if self._version == 4 else socket.IPPROTO_ICMPV6)
        self._readers: dict[socket.socket, Read] = {self._sender: self._answer, icmp: self._error}
        # Raw sockets of IPv4 give the header too.
        self._header = 20 if self._version == 4 else 0
        self.answered: set[int] = set()

    def run(self) -> None:
        """Sends to every port, and waits for the last answer."""
        for count, packet in enumerate(self._packets()):
            self._sender.sendto(packet, (self._target, 0))
            if count == 0:
                self._read(_NEIGHBOUR_S)
            elif count % _BATCH == 0:
                self._read(0)
        while self._read(_QUIET_S):
            pass

    def _raw(self, protocol: int) -> socket.socket:
        """Not connected: an ICMP error would become an error of the socket."""
        return socket.socket(self._family, socket.SOCK_RAW, protocol)

    def _packets(self) -> Iterator[bytes]:
        """One for each port, in order."""
        if not self._tcp:
            for port in PORTS:
                yield pack("!HHHH", self._port, port, 8, 0)
            return
        head, rest = pack("!H", self._port), pack("!IIBBH", 1, 0, 0x50, _SYN, 1024)
        ends = ip_address(self._source).packed + ip_address(self._target).packed
        whole = ends + pack("!HH", socket.IPPROTO_TCP, 20) + head + rest
        # In IPv6 the kernel writes the sum over this one.
        fixed = sum(unpack_from(f"!{len(whole) // 2}H", whole))
        for port in PORTS:
            yield head + pack("!H", port) + rest + pack("!HH", ~_folded(fixed + port) & 0xFFFF, 0)

    def _read(self, wait_s: float) -> bool:
        """Whether anything came."""
        came = False
        while ready := select.select(list(self._readers), [], [], 0 if came else wait_s)[0]:
            came = True
            for opened in ready:
                packet, sender = opened.recvfrom(2048)
                if sender[0] == self._target and (port := self._readers[opened](packet)):
                    self.answered.add(port)
        return came

    def _answer(self, packet: bytes) -> int:
        """The port that answered by itself; 0 where it was not to this scan."""
        source, destination = unpack_from("!HH", packet, self._header)
        return int(source) if destination == self._port else 0

    def _error(self, packet: bytes) -> int:
        """The port about which an ICMP error came; 0 where it was not about this scan."""
        inner = self._header + 8 + (20 if self._version == 4 else 40)
        if packet[self._header] != _PORT_UNREACHABLE[self._version] or len(packet) < inner + 4:
            return 0
        source, destination = unpack_from("!HH", packet, inner)
        return int(destination) if source == self._port else 0


def ranges(ports: set[int]) -> Iterator[tuple[int, int]]:
    """(first, last) of each run of neighbours."""
    first = last = 0
    for port in sorted(ports):
        if first and port == last + 1:
            last = port
            continue
        if first:
            yield first, last
        first = last = port
    if first:
        yield first, last


if __name__ == "__main__":
    scan = Scan(sys.argv[1], sys.argv[2])
    scan.run()
    print(json.dumps(list(ranges(scan.answered))))

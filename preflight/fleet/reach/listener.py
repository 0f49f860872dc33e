"""The listener: a process on a role's real ports that answers who has the key, and nobody else."""

from __future__ import annotations

import errno
import itertools
import json
import selectors
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from preflight.fleet.reach import pktinfo
from preflight.fleet.reach.errqueue import never_fragment
from preflight.fleet.reach.frames import ECHO, FRAMES, unwrap, wrap
from preflight.fleet.reach.model import Inventory, Port, label
from preflight.fleet.reach.rawsocket import open_raw
from preflight.fleet.reach.wire import (
    ANSWER,
    ASK,
    INVENTORY,
    LARGEST_BYTES,
    OVERHEAD_BYTES,
    PROBE,
    SMALLEST_BYTES,
    Message,
    Replays,
    decode,
    encode,
    place,
    size_of,
)
from rules.cluster import IPAddress
from rules.flows import Protocol
from rules.sockets import plain_address

# Connections at one time, and how long one may take to say something right. The oldest one that
# has not yet makes room for a new one, so that those who say nothing keep nobody out.
MOST_CONNECTIONS = 256
PATIENCE_S = 5.0
# Datagrams of one socket at a time, so that a flood of one port does not starve the others.
_AT_ONCE = 64
_BACKLOG = 128
# Characters of a rule that has to fit into a datagram.
_RULE_SHOWN = 60
_OF_LISTENERS = (ANSWER, INVENTORY)

Rules = Callable[[IPAddress, Iterable[tuple[str, int]]], dict[str, str]]
HeldBy = Callable[[str, int, int], str]
HalfOpen = Callable[[IPAddress], Iterable[int]]


# Protocol, family and port of a socket; what came to it, with what came beside it and from whom.
_At = tuple[str, int, int]
_Packet = tuple[bytes, pktinfo.Ancillary, Any]


class _Connection:
    def __init__(self, opened: socket.socket, port: int, source: IPAddress) -> None:
        self.opened, self.port, self.source = opened, port, source
        self.to = plain_address(opened.getsockname()[0])
        self.received, self.sending = bytearray(), b""
        self.until = time.monotonic() + PATIENCE_S
        self.trusted = False


class Listener:
    """Ports of one role: (``tcp``, 10250), (``esp``, 0) -> the families that may carry it; TCP and
    UDP are bound in both.

    ``rules``, ``held_by`` and ``half_open`` say what inventories hold; ``known_as``: the addresses
    by which others know this node, beside those that it has; ``probed`` hears of each right probe.
    """

    def __init__(
        self,
        key: bytes,
        node: str,
        ports: Mapping[tuple[str, int], frozenset[int]],
        *,
        rules: Rules,
        held_by: HeldBy,
        half_open: HalfOpen,
        known_as: Iterable[IPAddress] = (),
        probed: Callable[[], None] = lambda: None,
    ) -> None:
        self._key, self._node, self._wanted = key, node, dict(ports)
        self._rules, self._held_by, self._half_open = rules, held_by, half_open
        self._probed = probed
        self._known_as = frozenset(map(place, known_as))
        self._replays = Replays()
        self._seen: dict[bytes, set[str]] = {}
        self._heard: dict[str, set[str]] = {}
        self._selector = selectors.DefaultSelector()
        self._connections: OrderedDict[int, _Connection] = OrderedDict()
        self.ports: list[Port] = []
        self.wrong = self.replayed = 0
        self._echoes: list[tuple[socket.socket, _At]] = []
        self._count = itertools.count(1)

    def open(self) -> None:
        """Binds every port in both families; ``ports`` says why one could not be bound."""
        for (protocol, port), families in self._wanted.items():
            raw = protocol in FRAMES
            for number in sorted(families) if raw else (4, 6):
                try:
                    opened = _raw(protocol, number) if raw else self._bind(protocol, number, port)
                except OSError as error:
                    if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                        continue  # this kernel has no IPv6, so no peer has an address of it
                    self.ports.append(self._not_bound(protocol, number, port, error))
                    continue
                self.ports.append(Port(protocol, number, port))
                at = (protocol, number, port)
                if protocol in ECHO:
                    self._echoes.append((opened, at))
                handle = self._accept if protocol == "tcp" else self._datagrams
                data = (self._packets if raw else handle, at)
                self._selector.register(opened, selectors.EVENT_READ, data)

    def serve(self, seconds: float, stopped: Callable[[], bool] = lambda: False) -> None:
        """Answers until the time is over or ``stopped`` says so; then closes everything."""
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0 and not stopped():
                for key, events in self._selector.select(min(left, 0.5)):
                    handle, context = key.data
                    handle(key.fileobj, context, events)
                self._expire()
        finally:
            self.close()

    def close(self) -> None:
        """Lets go of every port and connection."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()

    @property
    def heard(self) -> dict[str, tuple[str, ...]]:
        """Source address -> the ports at which right probes of it arrived."""
        return {source: tuple(sorted(labels)) for source, labels in sorted(self._heard.items())}

    def _bind(self, protocol: str, number: int, port: int) -> socket.socket:
        family = socket.AF_INET if number == 4 else socket.AF_INET6
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        opened = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if protocol == "tcp":
                # What an earlier listener left in TIME_WAIT holds nothing.
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            else:
                pktinfo.want(opened)
                never_fragment(opened)
            opened.bind(("", port))
            if protocol == "tcp":
                opened.listen(_BACKLOG)
        except OSError:
            opened.close()
            raise
        return opened

    def _not_bound(self, protocol: str, family: int, port: int, error: OSError) -> Port:
        if error.errno != errno.EADDRINUSE:
            return Port(protocol, family, port, problem=error.strerror or str(error))
        holder = self._held_by(protocol, family, port)
        return Port(protocol, family, port, held_by=holder or "somebody")

    def _datagrams(self, opened: socket.socket, at: _At, _events: int) -> None:
        _, _, port = at
        for data, ancillary, source in _arrived(opened):
            answer = self._answer(data, "udp", port, source[0], pktinfo.destination(ancillary))
            if answer is not None:
                _send(opened, answer, ancillary, source)

    def _packets(self, opened: socket.socket, at: _At, _events: int) -> None:
        """Of a protocol without ports. An echo is answered by the kernel, and only seen here."""
        protocol, family, port = at
        for packet, ancillary, source in _arrived(opened):
            asked = ECHO[protocol][0] if protocol in ECHO else 0
            data = unwrap(protocol, family, packet, kind=asked)
            # All sockets of a protocol get all its packets: these are for a prober of this host.
            if not data or ((told := decode(self._key, data)) and told.kind in _OF_LISTENERS):
                continue
            to = pktinfo.destination(ancillary)
            answer = self._answer(data, protocol, port, source[0], to)
            if answer is not None and protocol not in ECHO:
                _send(opened, wrap(protocol, answer, next(self._count)), ancillary, source)

    def _answer(
        self, data: bytes, protocol: str, port: int, source: str, to: IPAddress | None
    ) -> bytes | None:
        """The answer to a right probe; None for everything else, and nobody hears of it."""
        message = decode(self._key, data)
        if (
            message is None
            or message.kind not in (PROBE, ASK)
            or (message.protocol, message.port) != (Protocol(protocol).number, port)
            or not self._is_for_this_host(message, to)
        ):
            self.wrong += 1
            return None
        if not self._replays.is_new(message.session, message.sequence):
            self.replayed += 1
            return None
        if message.kind == ASK:
            # An echo is answered before it is seen here, and it came before the question.
            for echoed, at in self._echoes:
                self._packets(echoed, at, 0)
            most = LARGEST_BYTES if protocol == "tcp" else message.size
            return self._inventory(message, plain_address(source), most)
        self._probed()
        for seen in (
            self._seen.setdefault(message.session, set()),
            self._heard.setdefault(str(plain_address(source)), set()),
        ):
            seen.add(label(protocol, port))
        # Without a connection never more than came: nobody's packets grow here.
        most = LARGEST_BYTES if protocol == "tcp" else message.size
        size = max(SMALLEST_BYTES, min(message.wanted, most))
        return self._message(message, ANSWER, size, self._node.encode()[:64])

    def _is_for_this_host(self, message: Message, to: IPAddress | None) -> bool:
        """Sent to the address that it came to, or to one that this node has behind a NAT."""
        return message.to in self._known_as or (to is not None and message.to == place(to))

    def _inventory(self, message: Message, source: IPAddress, most: int) -> bytes | None:
        """What this host knows, as much of it as ``most`` bytes hold."""
        seen = self._seen.get(message.session, set())
        told = Inventory(
            self._node,
            tuple(self.ports),
            tuple(sorted(seen)),
            tuple(f"{port}/tcp" for port in self._half_open(source)),
            self._rules(source, self._ports_of(source.version)),
        )
        short = {label: word[:_RULE_SHOWN] for label, word in told.rules.items() if word}
        for less in (told, replace(told, rules=short), replace(told, rules=short, ports=())):
            body = json.dumps(less, default=vars, separators=(",", ":")).encode()
            if len(body) <= most - OVERHEAD_BYTES:
                return self._message(message, INVENTORY, OVERHEAD_BYTES + len(body), body)
        return None

    def _ports_of(self, family: int) -> list[tuple[str, int]]:
        return [key for key, families in self._wanted.items() if family in families]

    def _message(self, asked: Message, kind: int, size: int, body: bytes) -> bytes:
        answer = Message(
            kind,
            asked.protocol,
            asked.port,
            asked.session,
            asked.sequence,
            time.time_ns(),
            size,
            0,
            asked.to,
            body,
        )
        return encode(self._key, answer)

    def _accept(self, opened: socket.socket, at: _At, _events: int) -> None:
        try:
            accepted, source = opened.accept()
        except OSError:  # it is gone again, or this process has no descriptor left
            return
        if len(self._connections) >= MOST_CONNECTIONS:
            self._drop(
                next(
                    (one for one in self._connections.values() if not one.trusted),
                    next(iter(self._connections.values())),
                )
            )
        accepted.setblocking(False)
        connection = _Connection(accepted, at[2], plain_address(source[0]))
        self._connections[accepted.fileno()] = connection
        self._selector.register(accepted, selectors.EVENT_READ, (self._converse, connection))

    def _converse(self, opened: socket.socket, connection: _Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                data = opened.recv(LARGEST_BYTES)
                connection.received += data
                if not data or not self._understand(connection):
                    self._drop(connection)
                    return
            if connection.sending:
                sent = opened.send(connection.sending)
                connection.sending = connection.sending[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.sending else 0)
        self._selector.modify(opened, wanted, (self._converse, connection))

    def _understand(self, connection: _Connection) -> bool:
        """Answers what is whole; False for what nobody with the key would send."""
        while connection.received:
            size = size_of(bytes(connection.received[:OVERHEAD_BYTES]))
            if size is None:
                self.wrong += 1
                return False
            if size == 0 or len(connection.received) < size:
                return True
            data = bytes(connection.received[:size])
            del connection.received[:size]
            source = str(connection.source)
            answer = self._answer(data, "tcp", connection.port, source, connection.to)
            if answer is None:
                return False
            connection.trusted = True
            connection.until = time.monotonic() + PATIENCE_S
            connection.sending += answer
        return True

    def _drop(self, connection: _Connection) -> None:
        self._connections.pop(connection.opened.fileno(), None)
        self._selector.unregister(connection.opened)
        connection.opened.close()

    def _expire(self) -> None:
        now = time.monotonic()
        for connection in [one for one in self._connections.values() if one.until < now]:
            self._drop(connection)


def _raw(protocol: str, family: int) -> socket.socket:
    opened = open_raw(protocol, family)
    try:
        opened.setblocking(False)
        pktinfo.want(opened)
        never_fragment(opened)
    except OSError:
        opened.close()
        raise
    return opened


def _arrived(opened: socket.socket) -> Iterator[_Packet]:
    for _ in range(_AT_ONCE):
        try:
            data, ancillary, _, source = opened.recvmsg(LARGEST_BYTES, pktinfo.ROOM)
        except OSError:  # nothing more, or an ICMP error about an answer
            return
        yield data, ancillary, source


def _send(opened: socket.socket, answer: bytes, ancillary: pktinfo.Ancillary, source: Any) -> None:
    # Too big for this host's own link, or refused by its packet filter: the prober sees no answer,
    # and asks what was seen here.
    with suppress(OSError):
        opened.sendmsg([answer], pktinfo.answering(ancillary), 0, source)


def half_open_ports(source: IPAddress) -> list[int]:
    """The local ports at which the kernel has a SYN of ``source`` and waits for the rest."""
    found: set[int] = set()
    for name in ("tcp", "tcp6"):
        with suppress(OSError), open(f"/proc/self/net/{name}", encoding="ascii") as stream:
            found.update(_syn_received(stream.read(), source))
    return sorted(found)


def _syn_received(table: str, source: IPAddress) -> Iterable[int]:
    from rules.sockets import SYN_RECEIVED, parse_connections

    for one in parse_connections(table, SYN_RECEIVED):
        if one.remote == source:
            yield one.local_port

"""A packet on its way through the hooks: what each key reads of it. Pure.

A value is a number, a name, None (the packet has no such thing, so nothing matches it), or
``Open``: one of several, and nobody can tell which.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from typing import Any

from rules.cluster import IPAddress
from rules.packet import ICMP, ICMPV6, TCP, Packet
from rules.parse.names import CT_STATES, PORT_PROTOCOLS
from rules.record import record
from rules.ruleset import FULL_MASK, Key, Range

_PORTED = frozenset(PORT_PROTOCOLS.values())
_IPS_DST_NAT = 0x20
_NAT_DONE = (0, 0x80, 0x100, 0x180)
# RTN_*: what an IPv4 address that is not this host's own may be: unicast or broadcast.
_UNICAST, _LOCAL, _BROADCAST, _MULTICAST = 1, 2, 3, 5
# ICMPv6 that conntrack never tracks: MLD and neighbour discovery (nf_conntrack_proto_icmpv6.c).
_NEVER_TRACKED = frozenset({130, 131, 132, 133, 134, 135, 136, 143})
# The ICMP types that begin a connection (nf_conntrack_proto_icmp.c, nf_conntrack_proto_icmpv6.c).
_BEGINS = {ICMP: frozenset({8, 13, 15, 17}), ICMPV6: frozenset({128, 139})}


@record
class Open:
    """A value that is in one of ``ranges`` (or a name none of ``names``), and why it is open."""

    ranges: tuple[Range, ...]
    reason: str
    names: frozenset[str] = frozenset()


Value = int | str | Open | None
# The interface by which an address is reached, None where that is not known.
Routes = Callable[[IPAddress], str | None]


class Surroundings:
    """What of this host a trace depends on: addresses and routes. Loopback is always its own."""

    def __init__(
        self,
        local_addresses: Collection[IPAddress],
        packet: Packet,
        reverse_path: bool | None = None,
        routes: Routes | None = None,
    ) -> None:
        self.routes = routes
        self.known = bool(local_addresses)
        self.reverse_path = reverse_path
        if reverse_path is None and packet.interface_in in (None, "lo"):
            # No interface named: the one that leads to the source.
            self.reverse_path = True
        self.local = frozenset(
            int(address.ip if isinstance(address, (IPv4Interface, IPv6Interface)) else address)
            for address in local_addresses
            if address.version == packet.family
        )
        self.broadcasts: frozenset[int] | None = None
        networks = [item for item in local_addresses if isinstance(item, IPv4Interface)]
        if networks and len(networks) == sum(item.version == 4 for item in local_addresses):
            self.broadcasts = frozenset(
                int(item.network.broadcast_address)
                for item in networks
                if item.network.prefixlen < 31
            )
        if not self.known:
            self.local = frozenset({int(packet.destination)})

    def is_local(self, family: int, address: int) -> bool:
        """Whether the address is one of this host's own."""
        loopback = address >> 24 == 127 if family == 4 else address == 1
        return loopback or address in self.local

    def route_type(self, family: int, address: int) -> Value:
        """RTN_* of an address, as inet_addr_type() gives it."""
        if address >> (28 if family == 4 else 120) == (0xE if family == 4 else 0xFF):
            return _MULTICAST
        if family == 4 and (address == FULL_MASK or address >> 24 == 0):
            return _BROADCAST
        if self.is_local(family, address):
            return _LOCAL
        if family == 4 and self.broadcasts is not None:
            return _BROADCAST if address in self.broadcasts else _UNICAST
        if family == 4:
            return Open(
                ((_UNICAST, _UNICAST), (_BROADCAST, _BROADCAST)),
                f"whether {IPv4Address(address)} is a broadcast address is not known",
            )
        return Open(((0, 1), (3, 4), (6, 8)), "the routes of this host are not known")


class Flow:
    """The packet at one place of its way, with the rules that matched and the doubts so far."""

    __slots__ = (
        "address",
        "bound",
        "ct_mark",
        "dirty",
        "doubts",
        "hook",
        "mark",
        "natted",
        "packet",
        "path",
        "place",
        "port",
        "redirected",
        "sent_here",
        "tracked",
    )

    def __init__(self, packet: Packet, place: Surroundings, *, sent_here: bool = False) -> None:
        self.packet, self.place, self.sent_here = packet, place, sent_here
        self.hook = ""
        self.address: int | Open = int(packet.destination)
        self.port: int | Open | None = packet.destination_port
        self.mark: int | Open = packet.mark
        self.ct_mark: int | Open = 0
        if packet.state != "new":
            self.ct_mark = Open(((0, FULL_MASK),), "the mark of the connection is not known")
        # None: not yet seen by conntrack; False: notrack.
        self.tracked: bool | None = None
        self.natted = self.redirected = False
        self.dirty: frozenset[str] = frozenset()
        self.doubts: frozenset[str] = frozenset()
        # The hook in which NAT has decided about the connection.
        self.bound = ""
        # The rules that matched: (those before, the last).
        self.path: Any = None

    def copy(self) -> Flow:
        """The same flow, to be changed."""
        other = object.__new__(Flow)
        for name in Flow.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def doubted(self, reason: str) -> Flow:
        """The same flow, on a way that it may not take."""
        other = self.copy()
        other.doubts = self.doubts | {reason}
        return other

    @property
    def state_key(self) -> tuple[object, ...]:
        """What the rules to come can tell apart."""
        return (
            self.address,
            self.port,
            self.mark,
            self.ct_mark,
            self.tracked,
            self.natted,
            self.redirected,
            self.bound,
            self.dirty,
        )

    @property
    def conntrack_state(self) -> str:
        """``new``, ... as ``ct state`` reads it here."""
        if self.tracked is None:
            return "invalid"
        if not self.tracked:
            return "untracked"
        packet = self.packet
        kind = packet.icmp_type
        if packet.protocol == ICMPV6 and kind in _NEVER_TRACKED:
            return "untracked"
        begins = _BEGINS.get(packet.protocol)
        if packet.state == "new" and begins is not None and kind is not None:
            return "new" if kind in begins else "invalid"
        return packet.state

    @property
    def has_connection(self) -> bool:
        """Whether conntrack keeps a connection for it."""
        return self.conntrack_state not in ("invalid", "untracked")


def read(flow: Flow, key: Key) -> Value:
    """The value of a key for this packet, here."""
    value = _READERS[key.name](flow) if key.name in _READERS else _other(flow, key)
    if key.mask is None and not key.xor:
        return value
    if isinstance(value, Open):
        return _masked(value, key)
    if isinstance(value, int):
        return (value & (key.mask if key.mask is not None else -1)) ^ key.xor
    return value


_FEW = 64


def _masked(value: Open, key: Key) -> Open:
    mask = FULL_MASK if key.mask is None else key.mask
    if sum(last - first + 1 for first, last in value.ranges) <= _FEW:
        seen = {
            (number & mask) ^ key.xor
            for first, last in value.ranges
            for number in range(first, last + 1)
        }
        return Open(tuple((number, number) for number in sorted(seen)), value.reason)
    highest = (1 << max(mask, key.xor).bit_length()) - 1
    return Open(((0, highest),), value.reason)


def _other(flow: Flow, key: Key) -> Value:
    if key.name == "random":
        return Open(((0, key.modulus - 1),), "a number that the kernel draws")
    protocol, _, port = key.name.partition(" ")
    wanted = PORT_PROTOCOLS.get(protocol)
    if wanted is not None and port in ("sport", "dport"):
        return _port(flow, port) if flow.packet.protocol == wanted else None
    return Open(((0, (1 << 128) - 1),), f"{key.name} is not known")


def _port(flow: Flow, name: str) -> Value:
    packet = flow.packet
    if packet.protocol not in _PORTED:
        return Open(((0, 0xFFFF),), f"IP protocol {packet.protocol} has no ports")
    value = flow.port if name == "dport" else packet.source_port
    if value is None:
        side = "destination" if name == "dport" else "source"
        return Open(((0, 0xFFFF),), f"the {side} port of the packet is not given")
    return value


def _source(flow: Flow, family: int) -> Value:
    return int(flow.packet.source) if flow.packet.family == family else None


def _destination(flow: Flow, family: int) -> Value:
    return flow.address if flow.packet.family == family else None


def _icmp(flow: Flow, protocol: int, name: str) -> Value:
    packet = flow.packet
    if packet.protocol != protocol:
        return None
    value = packet.icmp_type if name == "type" else packet.icmp_code
    if value is None:
        return Open(((0, 255),), f"the ICMP {name} of the packet is not given")
    return value


def _flags(flow: Flow) -> Value:
    packet = flow.packet
    if packet.protocol != TCP:
        return None
    if packet.tcp_flags is not None:
        return packet.tcp_flags
    if packet.state == "new":
        return 0x02
    return Open(((0, 255),), "the TCP flags of the packet are not given")


def _interface_in(flow: Flow) -> Value:
    packet = flow.packet
    if flow.sent_here:
        return ""
    if packet.interface_in is not None:
        return packet.interface_in
    if flow.place.routes is not None and (found := flow.place.routes(packet.source)) is not None:
        return found
    local = flow.place.is_local(packet.family, int(packet.source)) and flow.place.known
    loopback = packet.source.is_loopback
    names = frozenset() if local or loopback else frozenset({"lo"})
    return Open((), "the interface by which the packet comes in is not given", names)


def _interface_out(flow: Flow) -> Value:
    if flow.hook in ("prerouting", "input", "ingress"):
        return ""
    unchanged = flow.address == int(flow.packet.destination)
    if flow.packet.interface_out is not None and unchanged:
        return flow.packet.interface_out
    if flow.place.routes is not None and isinstance(flow.address, int):
        found = flow.place.routes(type(flow.packet.destination)(flow.address))
        if found is not None:
            return found
    names = frozenset({"lo"}) if flow.hook == "forward" else frozenset()
    return Open((), "the interface by which the packet leaves is not given", names)


def _packet_type(flow: Flow) -> Value:
    if flow.hook == "forward":
        return 0
    kind = flow.place.route_type(flow.packet.family, int(flow.packet.destination))
    if kind == _MULTICAST:
        return 2
    if kind == _BROADCAST:
        return 1
    if kind == _LOCAL:
        return 0
    return Open(((0, 0), (3, 3), (1, 1)), "the link-layer destination is not known")


def _state(flow: Flow) -> Value:
    return CT_STATES[flow.conntrack_state]


def _status(flow: Flow) -> Value:
    if not flow.has_connection:
        return None
    if flow.packet.state == "new":
        base = _IPS_DST_NAT if flow.natted else 0
        return Open(
            tuple((base | done, base | done) for done in _NAT_DONE),
            "whether NAT has looked at the connection is not modelled",
        )
    return Open(((0, 0xFFFF),), "the status of the connection is not known")


def _direction(flow: Flow) -> Value:
    if not flow.has_connection:
        return None
    if flow.packet.state == "new":
        return 0
    return Open(((0, 1),), "the direction of the connection is not given")


def _ct_mark(flow: Flow) -> Value:
    return flow.ct_mark if flow.has_connection else None


def _original(flow: Flow, family: int, name: str) -> Value:
    """The connection's first packet, as it was before any NAT."""
    packet = flow.packet
    if not flow.has_connection or (family and packet.family != family):
        return None
    if name == "protocol":
        return packet.protocol
    if packet.state != "new" and (
        name in ("saddr", "proto-src")
        or (packet.original_destination is None and packet.original_port is None)
    ):
        return Open(((0, (1 << 128) - 1),), "the connection's first packet is not given")
    if name == "saddr":
        return int(packet.source)
    if name == "daddr":
        return int(packet.original_destination or packet.destination)
    if packet.protocol not in _PORTED:
        return Open(((0, 0xFFFF),), f"IP protocol {packet.protocol} has no ports")
    port = packet.source_port
    if name == "proto-dst":
        port = packet.destination_port if packet.original_port is None else packet.original_port
    if port is None:
        return Open(((0, 0xFFFF),), "a port of the packet is not given")
    return port


def _reply(flow: Flow, family: int, name: str) -> Value:
    """What answers will carry; the source of answers is the destination after DNAT."""
    packet = flow.packet
    if not flow.has_connection or (family and packet.family != family):
        return None
    if packet.state == "new" and name == "saddr":
        return flow.address
    if packet.state == "new" and name == "proto-src":
        return _port(flow, "dport")
    return Open(((0, (1 << 128) - 1),), "the answers of the connection are not known")


def _route_type(flow: Flow, side: str) -> Value:
    address = flow.address if side == "daddr" else int(flow.packet.source)
    if isinstance(address, Open):
        if flow.redirected:
            return _LOCAL
        return Open(((0, 8),), address.reason)
    return flow.place.route_type(flow.packet.family, address)


def _reverse_path(flow: Flow) -> Value:
    """The interface that leads to the source, if it is the one by which the packet came; else 0."""
    known = flow.place.reverse_path
    if known is None:
        return Open(((0, FULL_MASK),), "whether the route to the source leaves by interface_in")
    return Open(((1, FULL_MASK),), "the number of an interface") if known else 0


def _route_type_by_interface(flow: Flow, side: str) -> Value:
    found = _route_type(flow, side)
    if found == _LOCAL:
        return Open(((0, 8),), "which interface has the address is not known")
    return found


_READERS: dict[str, Callable[[Flow], Value]] = {
    "ip saddr": lambda flow: _source(flow, 4),
    "ip6 saddr": lambda flow: _source(flow, 6),
    "ip daddr": lambda flow: _destination(flow, 4),
    "ip6 daddr": lambda flow: _destination(flow, 6),
    "ip protocol": lambda flow: flow.packet.protocol if flow.packet.family == 4 else None,
    "ip6 nexthdr": lambda flow: flow.packet.protocol if flow.packet.family == 6 else None,
    "ip version": lambda flow: 4 if flow.packet.family == 4 else None,
    "ip6 version": lambda flow: 6 if flow.packet.family == 6 else None,
    # No fragment is traced: offset and "more fragments" are 0, "don't fragment" is open.
    "ip frag-off": lambda flow: (
        Open(((0, 0), (0x4000, 0x4000)), "whether it may be fragmented is not known")
        if flow.packet.family == 4
        else None
    ),
    "meta l4proto": lambda flow: flow.packet.protocol,
    "meta nfproto": lambda flow: 2 if flow.packet.family == 4 else 10,
    "meta protocol": lambda flow: 0x0800 if flow.packet.family == 4 else 0x86DD,
    "meta iifname": _interface_in,
    "meta oifname": _interface_out,
    "meta mark": lambda flow: flow.mark,
    "meta pkttype": _packet_type,
    "th sport": lambda flow: _port(flow, "sport"),
    "th dport": lambda flow: _port(flow, "dport"),
    "tcp sport": lambda flow: _port(flow, "sport") if flow.packet.protocol == TCP else None,
    "tcp dport": lambda flow: _port(flow, "dport") if flow.packet.protocol == TCP else None,
    "tcp flags": _flags,
    "icmp type": lambda flow: _icmp(flow, ICMP, "type"),
    "icmp code": lambda flow: _icmp(flow, ICMP, "code"),
    "icmpv6 type": lambda flow: _icmp(flow, ICMPV6, "type"),
    "icmpv6 code": lambda flow: _icmp(flow, ICMPV6, "code"),
    "ct state": _state,
    "ct status": _status,
    "ct direction": _direction,
    "ct mark": _ct_mark,
    "ct protocol": lambda flow: _original(flow, 0, "protocol"),
    "ct l3proto": lambda flow: (
        (2 if flow.packet.family == 4 else 10) if flow.has_connection else None
    ),
    "fib saddr oif": _reverse_path,
    "fib daddr type": lambda flow: _route_type(flow, "daddr"),
    "fib saddr type": lambda flow: _route_type(flow, "saddr"),
    "fib daddr . iif type": lambda flow: _route_type_by_interface(flow, "daddr"),
    "fib saddr . iif type": lambda flow: _route_type_by_interface(flow, "saddr"),
}


def _add_connection_readers() -> None:
    for direction, reader in (("original", _original), ("reply", _reply)):
        for name in ("saddr", "daddr"):
            for family, number in (("ip ", 4), ("ip6 ", 6), ("", 0)):
                _READERS[f"ct {direction} {family}{name}"] = (
                    lambda flow, reader=reader, number=number, name=name: reader(flow, number, name)  # type: ignore[misc]
                )
        for name in ("proto-src", "proto-dst"):
            _READERS[f"ct {direction} {name}"] = (
                lambda flow, reader=reader, name=name: reader(flow, 0, name)  # type: ignore[misc]
            )


_add_connection_readers()

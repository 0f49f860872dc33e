"""What each key of a match reads of a packet on its way. Pure."""

from __future__ import annotations

from collections.abc import Callable

from rules.packet import ICMP, ICMPV6, TCP
from rules.parse.names import CT_STATES, PORT_PROTOCOLS
from rules.ruleset import FULL_MASK, Key
from rules.tracing.flow import BROADCAST, LOCAL, MULTICAST, Flow, Open, Value

_PORTED = frozenset(PORT_PROTOCOLS.values())
_IPS_DST_NAT = 0x20
_NAT_DONE = (0, 0x80, 0x100, 0x180)


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
    if kind == MULTICAST:
        return 2
    if kind == BROADCAST:
        return 1
    if kind == LOCAL:
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
            return LOCAL
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
    if found == LOCAL:
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

"""A packet on its way through the hooks: what each key reads of it. Pure.

A value is a number, a name, None (the packet has no such thing, so nothing matches it), or
``Open``: one of several, and nobody can tell which.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING, Any

from rules.cluster import IPAddress
from rules.packet import ICMP, ICMPV6, Packet
from rules.record import record
from rules.ruleset import FULL_MASK, Range

if TYPE_CHECKING:
    from rules.space import Space

# RTN_*: what an IPv4 address that is not this host's own may be: unicast or broadcast.
UNICAST, LOCAL, BROADCAST, MULTICAST = 1, 2, 3, 5
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
            return MULTICAST
        if family == 4 and (address == FULL_MASK or address >> 24 == 0):
            return BROADCAST
        if self.is_local(family, address):
            return LOCAL
        if family == 4 and self.broadcasts is not None:
            return BROADCAST if address in self.broadcasts else UNICAST
        if family == 4:
            return Open(
                ((UNICAST, UNICAST), (BROADCAST, BROADCAST)),
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
        "region",
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
        # Where it stands for many packets: from which sources, to which ports (a Space).
        self.region: Space | None = None
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
        return connection_state(self.packet) if self.tracked else "untracked"

    @property
    def has_connection(self) -> bool:
        """Whether conntrack keeps a connection for it."""
        return self.conntrack_state not in ("invalid", "untracked")


def connection_state(packet: Packet) -> str:
    """What conntrack calls the packet: ICMP can only begin a connection with some types."""
    kind = packet.icmp_type
    if packet.protocol == ICMPV6 and kind in _NEVER_TRACKED:
        return "untracked"
    begins = _BEGINS.get(packet.protocol)
    if packet.state == "new" and begins is not None and kind is not None:
        return "new" if kind in begins else "invalid"
    return packet.state

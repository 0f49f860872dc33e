"""Interfaces, addresses, routes, name servers, time."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

from preflight.facts.model.known import Known

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
IPInterface = IPv4Interface | IPv6Interface


@dataclass(frozen=True)
class Address:
    """An address of an interface. ``scope``: global, site, link, host. ``flags`` as ``ip`` names
    them: dynamic, temporary, deprecated, tentative, dadfailed, secondary, noprefixroute, ..."""

    interface: IPInterface
    scope: str
    flags: tuple[str, ...] = ()
    valid_s: int | None = None

    @property
    def ip(self) -> IPAddress:
        """The address without its prefix."""
        return self.interface.ip


@dataclass(frozen=True)
class Interface:
    """A network interface as ``ip -d link`` shows it.

    ``kind`` is the driver kind (bridge, veth, vlan, bond, vxlan, macvlan, dummy, ...), empty for
    a card. ``hardware`` is whether /sys/class/net/X/device exists. ``carrier`` is None where the
    kernel does not say (interface down). ``port_of`` is the master, ``parent`` the lower
    interface (VLAN, macvlan, vxlan). ``peer_elsewhere``: a veth whose other end is in another
    network namespace. ``mac`` empty for interfaces that have none. ``bridge_mac_pinned`` is
    addr_assign_type 3. ``mtu`` in bytes.
    """

    name: str
    index: int
    kind: str
    up: bool
    carrier: bool | None
    mac: str
    mtu: int
    permanent_mac: str = ""
    hardware: bool = False
    port_of: str = ""
    parent: str = ""
    peer_elsewhere: bool = False
    loopback: bool = False
    mac_pinned: bool = False
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True)
class Route:
    """A route of any table. ``destination`` 0.0.0.0/0 or ::/0 is a default route.

    ``type``: unicast, local, broadcast, blackhole, unreachable, ... ``table``: main, local, or a
    number as text. ``metric`` 0 where none is shown.
    """

    destination: IPNetwork
    interface: str
    gateway: IPAddress | None = None
    metric: int = 0
    table: str = "main"
    type: str = "unicast"
    protocol: str = ""
    source: IPAddress | None = None


@dataclass(frozen=True)
class Neighbour:
    """An entry of the neighbour table: who was last seen at an address."""

    address: IPAddress
    interface: str
    mac: str
    state: str


@dataclass(frozen=True)
class Lease:
    """A DHCP lease that is in use, and which program holds it."""

    interface: str
    address: IPAddress
    client: str


@dataclass(frozen=True)
class DuplicateProbe:
    """The answer to an RFC 5227 probe: ``owner`` is the MAC that claims the address, or empty."""

    interface: str
    address: IPAddress
    owner: str
    packets_sent: int


@dataclass(frozen=True)
class ResolvConf:
    """A resolver file. ``target`` is where the path really leads (symlinks followed)."""

    path: str
    target: str
    nameservers: tuple[str, ...]
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimeSync:
    """Clock state. ``source`` names who says so: chrony, systemd-timesyncd, ntpd, kernel.

    ``offset_ms``: last known distance from the reference, None if not told.
    """

    synchronised: bool
    source: str
    offset_ms: float | None = None


@dataclass(frozen=True)
class Network:
    """All of it. ``duplicate_probes`` is not-asked with ``--offline``."""

    interfaces: Known[tuple[Interface, ...]]
    routes: Known[tuple[Route, ...]]
    neighbours: Known[tuple[Neighbour, ...]]
    leases: Known[tuple[Lease, ...]]
    duplicate_probes: Known[tuple[DuplicateProbe, ...]]
    resolv_conf: Known[ResolvConf]
    upstream_resolv_conf: Known[ResolvConf | None]
    resolved_active: Known[bool]
    time_sync: Known[TimeSync]

"""Interfaces, addresses, routes, name servers, time."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)

from preflight.facts.model.known import Known, Unknown
from rules.record import record

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network
IPInterface = IPv4Interface | IPv6Interface


@record
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


@record
class Interface:
    """A network interface as ``ip -d link`` shows it.

    ``kind`` is the driver kind (bridge, veth, vlan, bond, vxlan, macvlan, dummy, ...), empty for
    a card. ``hardware`` is whether /sys/class/net/X/device exists. ``carrier`` is None where the
    kernel does not say (interface down). ``port_of`` is the master, ``parent`` the lower
    interface (VLAN, macvlan, vxlan). ``peer_elsewhere``: a veth whose other end is in another
    network namespace. ``mac`` empty for interfaces that have none. ``mac_pinned``: whether a
    bridge's MAC was set by hand (addr_assign_type 3); None for what is no bridge, and where /sys
    does not show it. ``mtu`` in bytes. ``arp``: whether it asks for
    neighbours' addresses. ``virtual_functions`` is how many SR-IOV functions it has been split
    into.
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
    mac_pinned: bool | None = None
    addresses: tuple[Address, ...] = ()
    arp: bool = True
    virtual_functions: int = 0


@record
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


@record
class Neighbour:
    """An entry of the neighbour table: who was last seen at an address."""

    address: IPAddress
    interface: str
    mac: str
    state: str


@record
class Lease:
    """A DHCP lease that is in use, and which program holds it."""

    interface: str
    address: IPAddress
    client: str


@record
class DuplicateProbe:
    """The answer to an RFC 5227 probe: ``owner`` is the MAC that claims the address, or empty.

    It is this interface's own MAC where a machine with the same MAC answers.
    """

    interface: str
    address: IPAddress
    owner: str
    packets_sent: int


@record
class ResolvConf:
    """A resolver file. ``target`` is where the path really leads (symlinks followed)."""

    path: str
    target: str
    nameservers: tuple[str, ...]
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@record
class TimeSync:
    """Clock state. ``source`` names who says so: chrony, systemd-timesyncd, ntpd, kernel.

    ``offset_ms``: last known distance from the reference, None if not told. ``installed``: the
    units of time services that are there and do not run, where none runs.
    """

    synchronised: bool
    source: str
    offset_ms: float | None = None
    installed: tuple[str, ...] = ()


@record
class LinkRule:
    """What a file says about interfaces whose name matches one of the patterns (with * and ?).

    ``inverted``: about those whose name matches none of them.
    """

    path: str
    patterns: tuple[str, ...]
    managed: bool
    inverted: bool = False


@record
class LinkManager:
    """A service that runs and configures interfaces: NetworkManager or systemd-networkd.

    The first rule that matches a name decides; ``claims_unnamed``: what no rule names is managed.
    ``removes_foreign``: the settings by which it removes routes and rules of others when it starts.
    """

    name: str
    rules: tuple[LinkRule, ...]
    claims_unnamed: bool = False
    removes_foreign: tuple[str, ...] = ()


@record
class Network:
    """All of it. ``duplicate_probes`` is not-asked with ``--offline``.

    ``other_tables`` says why routes of other tables than main and local are missing from
    ``routes``; None where every table was read.
    """

    interfaces: Known[tuple[Interface, ...]]
    routes: Known[tuple[Route, ...]]
    neighbours: Known[tuple[Neighbour, ...]]
    leases: Known[tuple[Lease, ...]]
    duplicate_probes: Known[tuple[DuplicateProbe, ...]]
    resolv_conf: Known[ResolvConf]
    upstream_resolv_conf: Known[ResolvConf | None]
    resolved_active: Known[bool]
    time_sync: Known[TimeSync]
    other_tables: Unknown | None = None
    link_managers: Known[tuple[LinkManager, ...]] = Unknown(
        "not-asked", "these facts do not tell which services configure interfaces"
    )

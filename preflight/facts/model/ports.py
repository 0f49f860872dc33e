"""Who listens, and what could be bound."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from preflight.facts.model.known import Known
from rules.record import record


@record
class Listener:
    """A TCP socket that listens, or a UDP socket that is bound and not connected.

    ``pid`` None: the kernel's own (a vxlan or WireGuard device) or one that may not be seen.
    ``unit`` is the systemd unit of the process, empty if none.
    """

    protocol: str
    address: IPv4Address | IPv6Address
    port: int
    pid: int | None = None
    process: str = ""
    unit: str = ""


@record
class BindProbe:
    """What a bind of the wildcard address answered. ``error`` is an errno name, empty: it worked.

    Kept because EACCES (permission) and EADDRINUSE (taken) are different findings.
    """

    protocol: str
    family: int
    port: int
    error: str


@record
class Ports:
    """``range`` and ``reserved`` are net.ipv4.ip_local_port_range and ip_local_reserved_ports."""

    listeners: Known[tuple[Listener, ...]]
    bind_probes: Known[tuple[BindProbe, ...]]
    ephemeral: Known[tuple[int, int]]
    reserved: Known[tuple[tuple[int, int], ...]]

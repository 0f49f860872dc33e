"""Who listens, and what could be bound."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from preflight.facts.model.known import Known
from rules.record import record


@record
class Listener:
    """A TCP socket that listens, or a UDP socket that is bound and not connected.

    ``pid`` None: nobody that may be seen holds it; ``kernel``: every process was seen, so it is the
    kernel's own (a vxlan or WireGuard device). ``process`` as in /proc/PID/comm, 15 characters.
    ``unit`` is the systemd unit of the process, empty if none. ``dual``: bound to ``::`` and takes
    IPv4 packets too.
    """

    protocol: str
    address: IPv4Address | IPv6Address
    port: int
    pid: int | None = None
    process: str = ""
    unit: str = ""
    dual: bool = False
    kernel: bool = False


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
    """``bind_probes`` only of ports on which nobody listens. ``ephemeral`` and ``reserved`` are
    net.ipv4.ip_local_port_range and ip_local_reserved_ports, ends included."""

    listeners: Known[tuple[Listener, ...]]
    bind_probes: Known[tuple[BindProbe, ...]]
    ephemeral: Known[tuple[int, int]]
    reserved: Known[tuple[tuple[int, int], ...]]

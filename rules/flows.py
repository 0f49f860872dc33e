"""The words of the port matrix: a flow, who may send it, and when it applies. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rules.cluster import Role
from rules.version import Version


class Group(str, Enum):
    """A source group. ``self`` is loopback: the port must be free, and must not be opened."""

    SELF = "self"
    MASTERS = "masters"
    WORKERS = "workers"
    NODES = "nodes"
    PODS = "pods"
    ADMINS = "admins"
    LOAD_BALANCERS = "load-balancers"
    MONITORING = "monitoring"
    NODE_PORT_CLIENTS = "node-port-clients"
    ETCD = "etcd-members"
    ANYWHERE = "anywhere"

    def __str__(self) -> str:
        return self.value


class Protocol(str, Enum):
    """``tcp``, ``udp`` and ``sctp`` have ports; the rest are IP protocols with their number."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    ICMP = "icmp"
    ICMPV6 = "icmpv6"
    IPIP = "ipip"
    GRE = "gre"
    ESP = "esp"
    AH = "ah"
    VRRP = "vrrp"

    @property
    def number(self) -> int:
        """The IANA protocol number (https://www.iana.org/assignments/protocol-numbers)."""
        return _NUMBERS[self]

    @property
    def has_ports(self) -> bool:
        """Whether its header has port numbers."""
        return self in (Protocol.TCP, Protocol.UDP, Protocol.SCTP)

    def __str__(self) -> str:
        return self.value


_NUMBERS = {
    Protocol.ICMP: 1,
    Protocol.IPIP: 4,
    Protocol.TCP: 6,
    Protocol.UDP: 17,
    Protocol.GRE: 47,
    Protocol.ESP: 50,
    Protocol.AH: 51,
    Protocol.ICMPV6: 58,
    Protocol.VRRP: 112,
    Protocol.SCTP: 132,
}


@dataclass(frozen=True)
class Flow:
    """One row of the matrix.

    ``ports`` is (first, last), both included; None for protocols without ports. ``sources`` are
    the groups that may send to ``roles``. ``since`` and ``until`` are the first and last minor
    that has it (None: no bound among the versions known). ``process`` is the name of the program
    that listens (as in /proc/PID/comm, 15 characters), empty where the kernel does. ``binds``:
    whether a socket is bound on the node itself (and so must be free before, listening after).
    ``optional``: in the table, but not opened or demanded unless asked for; ``when`` says when.
    ``families``: the address families it can be carried by.
    """

    id: str
    component: str
    protocol: Protocol
    ports: tuple[int, int] | None
    sources: frozenset[Group]
    roles: frozenset[Role]
    why: str
    source: str
    since: Version | None = None
    until: Version | None = None
    process: str = ""
    binds: bool = True
    optional: bool = False
    when: str = ""
    families: frozenset[int] = frozenset({4, 6})

    def applies_to(self, version: Version) -> bool:
        """Whether this Kubernetes version has the row (by minor)."""
        minor = version.release
        return (self.since is None or self.since <= minor) and (
            self.until is None or minor <= self.until
        )

    @property
    def local(self) -> bool:
        """Loopback only: never to be opened."""
        return self.sources == frozenset({Group.SELF})

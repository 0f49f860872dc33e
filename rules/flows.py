"""The words of the port matrix: a flow, who may send it, and when it applies. Pure values."""

from __future__ import annotations

from enum import Enum
from typing import Any

from rules.cluster import Role
from rules.record import record
from rules.version import Version


class Group(str, Enum):
    """A source group. ``self`` is this node: the port must be free, and must not be opened.

    ``nodes`` is masters and workers. ``anywhere`` is for what any router or neighbour sends.
    """

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
    IPV6 = "ipv6"
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
    Protocol.IPV6: 41,
    Protocol.GRE: 47,
    Protocol.ESP: 50,
    Protocol.AH: 51,
    Protocol.ICMPV6: 58,
    Protocol.VRRP: 112,
    Protocol.SCTP: 132,
}


class Bind(str, Enum):
    """The local address that a listening program takes by its defaults under kubeadm.

    ``any``: all addresses. ``node``: the node's own address (etcd; loopback beside it).
    ``loopback``: 127.0.0.1 or ::1 only, so that nobody else can reach it.
    """

    ANY = "any"
    NODE = "node"
    LOOPBACK = "loopback"

    def __str__(self) -> str:
        return self.value


class Need(str, Enum):
    """What a row depends on, beside role and version."""

    STACKED_ETCD = "stacked-etcd"
    KUBE_PROXY = "kube-proxy"

    def __str__(self) -> str:
        return self.value


@record
class Flow:
    """One row of the matrix.

    ``ports`` is (first, last), both included; None for protocols without ports. ``sources`` are
    the groups that may send to ``roles``. ``since`` and ``until`` are the first and last minor
    that has it (None: no bound among the versions known). ``process`` is the name of the program
    that listens (as in /proc/PID/comm, 15 characters), empty where the kernel does. ``binds``:
    whether a socket is bound on the node itself (and so must be free before, listening after),
    ``bind``: on which address. ``optional``: in the table, but not opened or demanded unless
    asked for; ``when`` says when. ``families``: the address families it can be carried by.
    ``setting`` names the field of ``PortNumbers`` that replaces ``ports``. ``icmp_types`` are the
    types of an ICMP row. ``to_pods``: the packet is forwarded to a pod on the node, and no socket
    of the node gets it.
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
    bind: Bind = Bind.ANY
    setting: str = ""
    need: Need | None = None
    icmp_types: tuple[int, ...] = ()
    to_pods: bool = False

    def applies_to(self, version: Version) -> bool:
        """Whether this Kubernetes version has the row (by minor)."""
        minor = version.release
        return (self.since is None or self.since <= minor) and (
            self.until is None or minor <= self.until
        )

    @property
    def local(self) -> bool:
        """For this node itself only: never to be opened."""
        return self.sources == frozenset({Group.SELF})

    @property
    def loopback_only(self) -> bool:
        """Whether its socket is on a loopback address, where nobody else can reach it."""
        return self.bind is Bind.LOOPBACK

    @property
    def label(self) -> str:
        """How a person writes it: ``6443/tcp``, ``30000-32767/udp``, ``protocol 4 (ipip)``."""
        if self.ports is not None:
            first, last = self.ports
            return f"{first if first == last else f'{first}-{last}'}/{self.protocol.value}"
        if self.icmp_types:
            types = ",".join(map(str, self.icmp_types))
            return f"{self.protocol.value} type {types}"
        return f"protocol {self.protocol.number} ({self.protocol.value})"

    def but(self, **changes: Any) -> Flow:
        """The same row with other values in the named fields."""
        return Flow(**{**vars(self), **changes})


# The destinations and sources that rows name most often.
MASTERS = frozenset({Role.MASTER, Role.MULTI_MASTER})
KUBELETS = frozenset({Role.MASTER, Role.MULTI_MASTER, Role.WORKER})
EVERY_ROLE = frozenset(Role)
FROM_SELF = frozenset({Group.SELF})
FROM_NODES = frozenset({Group.NODES})

"""What was probed and what came of it. Pure values."""

from __future__ import annotations

from enum import Enum

from preflight.fleet.reach.frames import ECHO
from rules.cluster import IPAddress, Role
from rules.flows import Protocol
from rules.record import field, record


class Outcome(str, Enum):
    """What came back to a probe.

    ``open``: the right answer. ``closed``: a reset, or "port unreachable", and nothing listens
    there. ``filtered``: silence. ``rejected``: a packet filter said no. ``wrong-answerer``:
    somebody else answers. ``mtu``: small packets pass, full ones do not. ``asymmetric``: the probe
    arrived, and the answer did not. ``unreachable``: this host has no way there. ``unknown``: what
    cannot be probed (a kernel's tunnel holds the port, or raw sockets are refused).
    """

    OPEN = "open"
    CLOSED = "closed"
    FILTERED = "filtered"
    REJECTED = "rejected"
    WRONG = "wrong-answerer"
    MTU = "mtu"
    ASYMMETRIC = "asymmetric"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


class Layer(str, Enum):
    """Where it went wrong."""

    NONE = ""
    NO_LISTENER = "no-listener"
    OWN_FIREWALL = "own-firewall"
    PEER_FIREWALL = "peer-firewall"
    NETWORK = "network"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


def label(protocol: str, port: int) -> str:
    """``10250/tcp``; of what has no ports as ``Flow.label`` has it: ``protocol 50 (esp)``."""
    if protocol in ECHO:
        return f"{protocol} type {ECHO[protocol][0]}"
    named = Protocol(protocol)
    return f"{port}/{protocol}" if named.has_ports else f"protocol {named.number} ({protocol})"


@record
class Peer:
    """A node that is probed. ``name`` is its address where no file names it."""

    name: str
    role: Role
    addresses: tuple[IPAddress, ...]


@record
class Errand:
    """One port of one peer, in one family: ``protocol`` tcp or udp; ``flows`` need it.

    Of a protocol without ports (``esp``, ``icmp``: its echo) ``port`` is 0. ``process``: who
    listens there in a running cluster, empty where the kernel does.
    """

    peer: Peer
    address: IPAddress
    protocol: str
    port: int
    flows: tuple[str, ...]
    component: str
    process: str = ""

    @property
    def label(self) -> str:
        """``10250/tcp``, ``protocol 50 (esp)``."""
        return label(self.protocol, self.port)


@record
class IcmpError:
    """An ICMP error about a probe: who sent it, type, code, and the MTU where it names one."""

    sender: str
    type: int
    code: int
    mtu: int = 0


@record
class Raw:
    """What one errand met, before anybody was asked about it.

    ``answered`` and ``sent`` count small probes. ``rtt_ms`` of the quickest, ``clock_ms``: how far
    the peer's clock is ahead of this one's, give or take half of that. ``forward`` and ``back``:
    the largest IP packet in bytes that passed each way, of those tried; 0: none was tried (of
    echoes). ``refused``: why no packet could be sent at all.
    ``full``: the size of a full packet of this host's link. ``reset``: a RST came. ``spoken``: what
    somebody else said. ``icmp``: the error that came instead of an answer.
    """

    errand: Errand
    sent: int = 0
    answered: int = 0
    rtt_ms: float | None = None
    clock_ms: float | None = None
    connected: bool = False
    reset: bool = False
    unreachable: str = ""
    refused: str = ""
    spoken: str = ""
    icmp: IcmpError | None = None
    full: int = 0
    forward: int = 0
    back: int = 0
    size_icmp: IcmpError | None = None


@record
class Port:
    """A port as the listener has it: ``held_by`` names who else holds it, ``problem`` why nobody
    does; both are empty where it listens."""

    protocol: str
    family: int
    port: int
    held_by: str = ""
    problem: str = ""


@record
class Inventory:
    """What a listener tells one who has the key.

    ``seen``: the ports (``8472/udp``) at which probes of this session arrived; ``half_open``: those
    at which its kernel got a SYN of the asker's address and no more. ``rules``: what its own packet
    filter does with the asker's packets, by port: ``dropped by ...``; empty where they are let in,
    ``unknown: ...`` where that cannot be told.
    """

    node: str
    ports: tuple[Port, ...] = ()
    seen: tuple[str, ...] = ()
    half_open: tuple[str, ...] = ()
    rules: dict[str, str] = field(default_factory=dict)


@record
class Reach:
    """The verdict on one errand: ``detail`` says it in a line, ``layer`` where, ``raw`` all of it.

    ``warning``: it works, with a fault.
    """

    errand: Errand
    outcome: Outcome
    layer: Layer
    detail: str
    raw: Raw
    warning: bool = False

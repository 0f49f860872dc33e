"""One thing that a cloud lets in: as a plan wants it, and as rules say it. Pure values."""

from __future__ import annotations

from enum import Enum
from typing import Any

from rules.cloud.peer import Peer
from rules.cluster import IPNetwork
from rules.intervals import Interval
from rules.record import record
from rules.space import last_port

NAMES = {1: "icmp", 4: "ipip", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 51: "ah", 58: "icmpv6"}
NAMES |= {41: "ipv6", 112: "vrrp", 132: "sctp"}


class Place(str, Enum):
    """Which address of the receiving machine the packet goes to.

    ``node``: any address of its interface. ``pods``: an address of a pod behind it, and no other.
    """

    NODE = "node"
    PODS = "pods"

    # That of Enum is written in Python, and long lists of rules hash it often.
    __hash__ = str.__hash__

    def __str__(self) -> str:
        return self.value


def what(protocol: int | None, ports: Interval | None) -> str:
    """Packets as a person writes them: ``10250/tcp``, ``icmp type 8``, ``protocol 4 (ipip)``."""
    if protocol is None:
        return "every protocol"
    name = NAMES.get(protocol, str(protocol))
    if last_port(protocol) == 0:
        return f"protocol {protocol} ({name})" if protocol in NAMES else f"protocol {protocol}"
    if protocol in (1, 58):
        if ports is None:
            return f"every {name} type"
        first, last = ports
        return f"{name} type {first if first == last else f'{first}-{last}'}"
    if ports is None:
        return f"every port/{name}"
    first, last = ports
    return f"{first if first == last else f'{first}-{last}'}/{name}"


@record
class Grant:
    """What one flow wants let in from some senders, in one family.

    ``protocol`` None: every protocol. ``ports`` None: all of them, or there are none; ICMP types
    are ports (``rules.space``). ``peers`` are role and named peers, ``networks`` disjoint and
    sorted addresses of the family.
    """

    flow: str
    receiver: str
    place: Place
    family: int
    protocol: int | None
    ports: Interval | None
    peers: tuple[Peer, ...]
    networks: tuple[IPNetwork, ...] = ()

    @property
    def interval(self) -> Interval:
        """``ports``, written out."""
        return self.ports or (0, last_port(self.protocol or 0))

    def but(self, **changes: Any) -> Grant:
        """The same with other values in the named fields."""
        return Grant(**{**vars(self), **changes})


@record
class Rule:
    """One sender, one protocol, one range of ports: what AWS and OpenStack call a rule.

    ``receiver`` is a role in what we write and a group's name in what was read. ``families``: a
    reference to a group may hold for both. ``flows`` is what it is there for. ``where``: which
    rule of which file it was read from.
    """

    receiver: str
    place: Place
    families: tuple[int, ...]
    peer: Peer
    protocol: int | None
    ports: Interval | None
    flows: tuple[str, ...] = ()
    where: str = ""

    @property
    def what(self) -> str:
        """The packets, as a person writes them."""
        return what(self.protocol, self.ports)

    @property
    def interval(self) -> Interval:
        """``ports``, written out."""
        return self.ports or (0, last_port(self.protocol or 0))

    @property
    def label(self) -> str:
        """How errors and findings call it: ``10250/tcp from worker to multi-master``."""
        return f"{self.what} from {self.peer} to {self.receiver}"

    def but(self, **changes: Any) -> Rule:
        """The same with other values in the named fields."""
        return Rule(**{**vars(self), **changes})

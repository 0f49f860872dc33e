"""What a probe is: its kind, the way that it goes, and the addresses on that way. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from rules.cluster import IPAddress
from rules.packet import ICMP, ICMPV6, SCTP, TCP, UDP
from rules.record import record


class Kind(str, Enum):
    """What the keys of a bundle are.

    ``tcp``, ``udp``, ``sctp``: destination ports. ``icmp``: type * 256 + code, of the family's own
    ICMP. ``protocol``: IP protocol numbers.
    """

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    ICMP = "icmp"
    PROTOCOL = "protocol"

    def number(self, family: int) -> int:
        """The IP protocol number; 0 where the keys are the numbers."""
        icmp = ICMP if family == 4 else ICMPV6
        return {"tcp": TCP, "udp": UDP, "sctp": SCTP, "icmp": icmp, "protocol": 0}[self.value]

    def __str__(self) -> str:
        return self.value


class Way(str, Enum):
    """Where probes go; each way has a destination of its own.

    ``input``: the node. ``input-dnat``: an address that is translated to the node, to one port
    (a NodePort whose endpoint is on the host network). ``forward``: a pod. ``forward-dnat``: an
    address that is translated to a pod, to one port (a NodePort). ``transit``: through the node to
    an address that is no pod's.
    """

    INPUT = "input"
    INPUT_DNAT = "input-dnat"
    FORWARD = "forward"
    FORWARD_DNAT = "forward-dnat"
    TRANSIT = "transit"

    @property
    def hook(self) -> str:
        """The hook at which it is judged."""
        return "input" if self in (Way.INPUT, Way.INPUT_DNAT) else "forward"

    @property
    def translated(self) -> bool:
        """Whether its destination is changed on the way."""
        return self in (Way.INPUT_DNAT, Way.FORWARD_DNAT)

    @property
    def word(self) -> str:
        """Its name in nft."""
        return self.value.replace("-", "_")

    def __str__(self) -> str:
        return self.value


@record
class Layout:
    """The addresses of one family. ``ways``: the destination of each way that is probed.

    ``node`` and ``pod`` are what translated packets get, with ``port``. ``opened``: the source
    ports of the connections that the node and the pod open themselves.
    """

    family: int
    node: IPAddress
    pod: IPAddress
    port: int
    ways: Mapping[Way, IPAddress]
    opened: int

"""Policy -> packet space: exactly what rules of ours must let through. Pure.

What renderers write, parsers must read back and the kernel must show is compared with this.
Loopback and established connections are no part of it: a space is of new connections.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.access import Admission, Hook, Senders, let_through, pod_traffic
from rules.policy import Policy
from rules.space import LAST_PROTOCOL, Box, Space


def input_space(policy: Policy) -> Space:
    """What the node itself must get, by the port that the sender used (so before DNAT)."""
    return Space.of(_boxes(one for one in let_through(policy) if one.hook is Hook.INPUT))


def to_pods_space(policy: Policy) -> Space:
    """What must be forwarded to an address of the pods, by the port that the sender used.

    Every address of ``networking.podSubnet`` is alike. Empty where no kubelet runs.
    """
    senders = Senders(policy.cluster)
    traffic = pod_traffic(policy, senders)
    families = {item.family for item in traffic}
    whole = [
        Box.of(network, protocol)
        for item in traffic
        for network in (*item.pods, *item.nodes)
        for protocol in range(LAST_PROTOCOL + 1)
    ]
    admitted = (
        one
        for one in let_through(policy, senders)
        if one.hook is Hook.FORWARD and one.family in families
    )
    return Space.of([*whole, *_boxes(admitted)])


def from_pods_space(policy: Policy) -> Space:
    """What must be forwarded to any address that is no pod's: everything that pods send."""
    return Space.of(
        Box.of(network, protocol)
        for item in pod_traffic(policy)
        for network in item.pods
        for protocol in range(LAST_PROTOCOL + 1)
    )


def _boxes(admitted: Iterable[Admission]) -> Iterator[Box]:
    for one in admitted:
        ranges = [one.ports] if one.ports else [(kind, kind) for kind in one.icmp_types or ()]
        for network in one.sources:
            for ports in ranges or [None]:
                yield Box.of(network, one.protocol.number, ports)

"""Policy -> packet space: exactly what rules of ours must let through. Pure.

What renderers write, parsers must read back and the kernel must show is compared with this.
Loopback and established connections are no part of it: a space is of new connections.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rules.access import Admission, Hook, Senders, let_through, pod_traffic
from rules.cluster import IPNetwork
from rules.intervals import Interval, Intervals
from rules.policy import Policy
from rules.space import LAST_PROTOCOL, Box, Space, last_port, ranges


def input_space(policy: Policy) -> Space:
    """What the node itself must get, by the port that the sender used (so before DNAT)."""
    return Space.of(boxes(one for one in let_through(policy) if one.hook is Hook.INPUT))


def to_pods_space(policy: Policy) -> Space:
    """What must be forwarded to an address of the pods, by the port that the sender used.

    Every address of ``networking.podSubnet`` is alike. Empty where no kubelet runs.
    """
    senders = Senders(policy.cluster)
    traffic = pod_traffic(policy, senders)
    families = {item.family for item in traffic}
    admitted = (
        one
        for one in let_through(policy, senders)
        if one.hook is Hook.FORWARD and one.family in families
    )
    whole = all_protocols([net for item in traffic for net in (*item.pods, *item.nodes)])
    extra = Space.of(boxes(admitted))
    # Only their few planes need combining; the rest stay as they are.
    keys = {key for key, _ in extra.planes}
    joined = Space(tuple(item for item in whole.planes if item[0] in keys)) | extra
    rest = (item for item in whole.planes if item[0] not in keys)
    return Space(tuple(sorted((*joined.planes, *rest))))


def from_pods_space(policy: Policy) -> Space:
    """What must be forwarded to any address that is no pod's: everything that pods send."""
    return all_protocols([network for item in pod_traffic(policy) for network in item.pods])


def all_protocols(networks: list[IPNetwork]) -> Space:
    """Everything from some networks. Protocols with equally many ports have the same plane."""
    return all_protocols_of(ranges(networks))


def all_protocols_of(sources: Mapping[int, Intervals]) -> Space:
    """The same from what ``ranges`` makes of networks."""
    numbers = range(LAST_PROTOCOL + 1)
    examples = {last_port(number): number for number in numbers}
    made = dict(
        item for number in examples.values() for item in Space.of_ranges(sources, number).planes
    )
    return Space(
        tuple(
            ((family, number), plane)
            for family in (4, 6)
            for number in numbers
            if (plane := made.get((family, examples[last_port(number)])))
        )
    )


def boxes(admitted: Iterable[Admission]) -> Iterator[Box]:
    """The packets of some admissions."""
    for one in admitted:
        ranges: list[Interval | None] = [(kind, kind) for kind in one.icmp_types or ()]
        for network in one.sources:
            for ports in ranges or [one.ports]:
                yield Box.of(network, one.protocol.number, ports)

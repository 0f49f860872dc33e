"""Random packets: the addresses, ports and types that the rulesets of these tests speak of."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from random import Random

from rules.cluster import IPAddress
from rules.packet import ICMP, ICMPV6, TCP, UDP, Packet


def _addresses(*texts: str) -> tuple[IPAddress, ...]:
    return tuple(ip_address(text) for text in texts)


WORLD = {
    4: _addresses(
        "192.0.2.1", "192.0.2.21", "203.0.113.5", "198.51.100.77", "10.0.0.9", "172.18.0.3"
    ),
    6: _addresses("fd00:2::1", "fd00:2::21", "2001:db8::5", "fd99::9", "fe80::1"),
}
PODS = {
    4: _addresses("10.244.1.5", "10.244.1.77", "10.244.1.250"),
    6: _addresses("fd00:244:1::5", "fd00:244:1::77"),
}
OWN = {4: _addresses("192.0.2.11", "10.244.1.1"), 6: _addresses("fd00:2::11", "fd00:244:1::1")}
ELSEWHERE = {
    4: _addresses("10.96.0.10", "10.96.0.1", "198.51.100.80", "10.244.2.9"),
    6: _addresses("fd00:96::a", "2001:db8::80", "fd00:244:2::9"),
}
GROUPS = {4: _addresses("224.0.0.1", "192.0.2.255", "255.255.255.255"), 6: _addresses("ff02::1")}
PORTS = (
    22, 53, 67, 80, 443, 546, 2379, 2380, 5353, 6443, 8080, 8472, 9090, 10250, 10256, 30080, 30443,
    31000, 32767, 40000,
)  # fmt: skip
ICMP_TYPES = (0, 3, 5, 8, 11, 12, 13)
ICMPV6_TYPES = (1, 2, 3, 4, 128, 129, 133, 134, 135, 136, 137, 143)
# Not AH: in IPv6 it is an extension header, and what it holds would decide.
OTHER_PROTOCOLS = (4, 47, 50, 89, 112)


def _number(random: Random) -> int:
    chosen = random.choice(PORTS)
    return chosen if random.random() < 0.85 else max(1, chosen + random.choice((-1, 1)))


def random_packet(random: Random) -> Packet:
    """One new packet that comes in by eth0 or from a pod."""
    family = random.choice((4, 4, 4, 6, 6))
    from_pod = random.random() < 0.2
    near = PODS if from_pod else WORLD
    source = random.choice(near[family])
    kind = random.random()
    groups = [OWN, OWN, OWN, OWN, PODS, PODS, ELSEWHERE, ELSEWHERE]
    if not from_pod and kind > 0.93:
        groups = [GROUPS]
    destination = random.choice(random.choice(groups)[family])
    link_local = source.is_link_local
    if link_local and destination not in OWN[family]:
        destination = OWN[family][0]
    protocol = _protocol(random, family)
    ports: tuple[int | None, int | None] = (None, None)
    icmp: tuple[int | None, int | None] = (None, None)
    if protocol in (TCP, UDP):
        ports = (random.choice((1234, 40000, 53, 443, _number(random))), _number(random))
    elif protocol == ICMP:
        icmp = (random.choice(ICMP_TYPES), random.choice((0, 0, 4, 1)))
    elif protocol == ICMPV6:
        icmp = (random.choice(ICMPV6_TYPES), random.choice((0, 0, 1)))
    return Packet(
        family=family,
        protocol=protocol,
        source=source,
        destination=destination,
        source_port=ports[0],
        destination_port=ports[1],
        icmp_type=icmp[0],
        icmp_code=icmp[1],
        interface_in="pods0" if from_pod else "eth0",
    )


def _protocol(random: Random, family: int) -> int:
    icmp = ICMP if family == 4 else ICMPV6
    chosen = random.choices((TCP, UDP, icmp, 0), weights=(55, 27, 13, 5))[0]
    return chosen or random.choice(OTHER_PROTOCOLS)


def way_out(destination: IPAddress) -> str:
    """Where the routes of the oracle's node lead."""
    return "pods0" if any(destination in network for network in _POD_NETWORKS) else "eth0"


_POD_NETWORKS = (ip_network("10.244.1.0/24"), ip_network("fd00:244:1::/64"))

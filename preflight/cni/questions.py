"""Which probes show that two pods can network, by what kind of plugin made them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network

from preflight.cni.pods import Pod
from preflight.cni.probing import Probe
from preflight.cni.services import Service
from preflight.cni.spec import NetworkConfig
from rules.cluster import IPAddress, IPNetwork
from rules.record import record

# On the node's own link, past its packet filter: the host and its Services are out of reach
# (https://www.cni.dev/plugins/current/main/macvlan/, .../ipvlan/).
LINK_PLUGINS = frozenset({"macvlan", "ipvlan", "vlan", "host-device"})
SERVICE_PORT, POD_PORT = 80, 18080
# kubeadm's default Service range, and one for documentation where a cluster has none of IPv6.
_SERVICES: dict[int, IPNetwork] = {
    4: ip_network("10.96.0.0/12"),
    6: ip_network("2001:db8:96::/112"),
}


@record
class Outside:
    """A place beyond the node that pods must reach. ``port`` 0: it is pinged."""

    address: IPAddress
    port: int = 0

    def __str__(self) -> str:
        return f"{self.address} port {self.port}" if self.port else str(self.address)


def pod_count(network: NetworkConfig) -> int:
    """How many pods this network can have at once for certain: two, or one of one device."""
    first = network.plugins[0]
    ipam = first.get("ipam") or {}
    single = first["type"] == "host-device" or ipam.get("type") == "static"
    return 1 if single or first.get("mode") == "passthru" else 2


def on_link(network: NetworkConfig) -> bool:
    """Whether pods are machines on the node's link, apart from the host itself."""
    return str(network.plugins[0]["type"]) in LINK_PLUGINS


def named(step: str, family: int) -> str:
    """The step's name in a family: IPv4 is the plain one."""
    return step if family == 4 else f"{step}-ipv6"


def services(pods: Sequence[Pod], subnets: Sequence[IPNetwork]) -> tuple[Service, ...]:
    """A Service of each family that leads to the last pod: the last address of the range."""
    back = pods[-1]
    ranges: dict[int, IPNetwork] = {**_SERVICES}
    ranges.update({int(subnet.version): subnet for subnet in subnets})
    return tuple(
        Service(
            ranges[family][-2],
            SERVICE_PORT,
            back.addresses[family],
            POD_PORT,
            tuple(pod.addresses[family] for pod in pods if family in pod.addresses),
        )
        for family in sorted(back.addresses)
    )


def pod_probes(pods: Sequence[Pod], mtus: Mapping[str, int], *, link: bool) -> list[Probe]:
    """Pod to pod both ways at full size, pod to gateway, host to pod."""
    probes = []
    front, back = pods[0], pods[-1]
    for family, target in sorted(back.addresses.items()):
        if front is not back:
            probes.append(Probe(named("pod-to-pod", family), front.netns, target))
            for here, there in ((front, back), (back, front)):
                way = "full-size-there" if here is front else "full-size-back"
                size = mtus[here.name]
                probes.append(
                    Probe(named(way, family), here.netns, there.addresses[family], size=size)
                )
        if family in front.gateways and not link:
            gateway = front.gateways[family]
            probes.append(Probe(named("pod-to-gateway", family), front.netns, gateway))
        if not link:
            probes.append(Probe(named("host-to-pod", family), "", target))
    return probes


def service_probes(pods: Sequence[Pod], found: Sequence[Service]) -> list[Probe]:
    """A pod to the Service of another one on the node, and a pod to its own (hairpin)."""
    probes = []
    front, back = pods[0], pods[-1]
    for service in found:
        family, target, port = service.pod.version, service.address, service.port
        if front is not back:
            probes.append(Probe(named("service", family), front.netns, target, port))
        probes.append(Probe(named("hairpin", family), back.netns, target, port))
    return probes


def outside_probes(
    pod: Pod, places: Sequence[Outside], mtu: int
) -> tuple[list[Probe], list[Probe], list[Probe]]:
    """(from the pod, from the host for comparison, from the pod at full size) for each place."""
    mine = [place for place in places if place.address.version in pod.addresses]

    def probe(place: Outside, kind: str, namespace: str, size: int = 84) -> Probe:
        return Probe(f"{kind} {place}", namespace, place.address, place.port, size, greeted=False)

    return (
        [probe(place, "outside", pod.netns) for place in mine],
        [probe(place, "host", "") for place in mine],
        [probe(place, "full", pod.netns, mtu) for place in mine if not place.port],
    )

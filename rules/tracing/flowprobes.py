"""Admissions -> the packets that show whether a ruleset lets them through. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from rules.access import Admission, Hook
from rules.cluster import Cluster, IPAddress, IPNetwork
from rules.packet import ICMP_ERRORS, Packet
from rules.record import record

# Who sends where everybody may: an address of documentation (RFC 5737, RFC 3849).
_ANYBODY = {4: ip_address("203.0.113.1"), 6: ip_address("2001:db8::1")}
# Each network is tried at both ends; more of them than this say nothing new.
MOST_NETWORKS = 32
# An ephemeral port: what a client's system chooses (IANA's range begins at 49152).
_CLIENT_PORT = 50000


@record
class Probe:
    """A packet for one admission."""

    admission: Admission
    packet: Packet

    @property
    def hook(self) -> str:
        """Where the node's filter meets it."""
        return self.admission.hook.value


def probes(
    admissions: Sequence[Admission],
    cluster: Cluster,
    local_addresses: Sequence[IPAddress],
) -> tuple[Probe, ...]:
    """For each admission both ends of its ports and of each of its sources.

    INPUT goes to this node's address, FORWARD to a pod. An admission of a family in which the
    node has no address gives none.
    """
    own: dict[int, IPAddress] = {}
    for address in local_addresses:
        own.setdefault(address.version, address)
    found: list[Probe] = []
    for admission in admissions:
        destination = _destination(admission, cluster, own)
        if destination is None:
            continue
        for source in _sources(admission, local_addresses):
            found += [
                Probe(admission, packet) for packet in _packets(admission, source, destination, own)
            ]
    return tuple(found)


def _destination(
    admission: Admission, cluster: Cluster, own: dict[int, IPAddress]
) -> IPAddress | None:
    if admission.hook is Hook.INPUT:
        return own.get(admission.family)
    subnets = [net for net in cluster.pod_subnets if net.version == admission.family]
    if not subnets:
        return None
    # Some pod: not the network's own address and not the bridge's.
    return _nth(subnets[0], min(10, subnets[0].num_addresses - 1))


def _sources(admission: Admission, local: Sequence[IPAddress]) -> list[IPAddress]:
    found: dict[IPAddress, None] = {}
    for network in admission.sources[:MOST_NETWORKS]:
        for address in _ends(network):
            if address not in local:
                found[address] = None
    return list(found)


def _ends(network: IPNetwork) -> tuple[IPAddress, ...]:
    if network.prefixlen == 0:
        return (_ANYBODY[network.version],)
    if network.num_addresses < 4:
        return tuple(network)
    return _nth(network, 1), _nth(network, network.num_addresses - 2)


def _nth(network: IPNetwork, number: int) -> IPAddress:
    address: IPAddress = network[number]
    return address


def _packets(
    admission: Admission, source: IPAddress, destination: IPAddress, own: dict[int, IPAddress]
) -> list[Packet]:
    protocol = admission.protocol.number

    def made(
        port: int | None = None, kind: int | None = None, original: int | None = None
    ) -> Packet:
        return Packet(
            family=admission.family,
            protocol=protocol,
            source=source,
            destination=destination,
            source_port=_CLIENT_PORT if port is not None else None,
            destination_port=port,
            icmp_type=kind,
            icmp_code=0 if kind is not None else None,
            state="related" if kind in ICMP_ERRORS.get(protocol, ()) else "new",
            original_destination=own.get(admission.family) if original is not None else None,
            original_port=original,
        )

    if admission.icmp_types is not None:
        return [made(kind=kind) for kind in admission.icmp_types]
    if admission.ports is None:
        return [made()]
    ends = dict.fromkeys(admission.ports)
    if admission.original_port and admission.hook is Hook.FORWARD:
        # DNATed to a pod, whose own port is whatever the service says.
        return [made(port=8080, original=port) for port in ends]
    return [made(port=port) for port in ends]

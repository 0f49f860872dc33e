"""Policy -> admissions: each flow with the addresses that may send it. Pure.

This is what every renderer writes and every parser must read back: the groups are gone, the
families are apart, and what a host sees in INPUT and what it forwards to pods are apart too.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network

from rules.cluster import Cluster, IPNetwork, Role
from rules.errors import UsageError
from rules.flows import Flow, Group, Protocol
from rules.policy import Policy
from rules.ports import host
from rules.record import record


class Hook(str, Enum):
    """Where a host's packet filter meets the packet."""

    INPUT = "input"
    FORWARD = "forward"

    def __str__(self) -> str:
        return self.value


@record
class Admission:
    """One flow of one family that must be let through.

    ``sources`` are disjoint and sorted; the whole family is one network with prefix 0.
    ``ports`` is (first, last), None where the protocol has none; ``icmp_types`` None: all.
    ``original_port``: ``ports`` are those that the sender used, before DNAT (NodePort).
    """

    flow: str
    component: str
    hook: Hook
    family: int
    protocol: Protocol
    ports: tuple[int, int] | None
    icmp_types: tuple[int, ...] | None
    sources: tuple[IPNetwork, ...]
    original_port: bool = False

    @property
    def from_anywhere(self) -> bool:
        """Whether every address of the family may send it."""
        return any(network.prefixlen == 0 for network in self.sources)


_EVERYONE: tuple[IPNetwork, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
# Groups that may be empty: nobody of that kind sends, and that is what the operator said.
_MAY_BE_EMPTY = frozenset(
    {Group.ADMINS, Group.LOAD_BALANCERS, Group.MONITORING, Group.NODE_PORT_CLIENTS, Group.WORKERS}
)


_MASTERS = frozenset({Role.MASTER, Role.MULTI_MASTER})
GROUP_ROLES = {
    Group.MASTERS: _MASTERS,
    Group.WORKERS: frozenset({Role.WORKER}),
    Group.NODES: _MASTERS | {Role.WORKER},
}
# Groups that are made of others.
_PARTS = {Group.NODES: (Group.MASTERS, Group.WORKERS)}


def group_networks(group: Group, cluster: Cluster) -> tuple[IPNetwork, ...]:
    """The addresses of a source group in this cluster, both families, not yet merged."""
    stacked = group is Group.ETCD and not cluster.external_etcd
    words = {part.value for part in (group, *_PARTS.get(group, ()))}
    if stacked:
        words.add(Group.MASTERS.value)
    named = [
        network
        for word, networks in cluster.group_networks
        if word in words
        for network in networks
    ]
    roles = _MASTERS if stacked else frozenset({Role.ETCD})
    if wanted := roles if group is Group.ETCD else GROUP_ROLES.get(group):
        named += [
            _network((int(address), address.max_prefixlen), address.version)
            for node in cluster.nodes
            if node.role in wanted
            for address in node.addresses
        ]
    sources = cluster.sources
    fixed: dict[Group, tuple[IPNetwork, ...]] = {
        Group.PODS: cluster.pod_subnets,
        Group.ADMINS: sources.admins,
        Group.LOAD_BALANCERS: sources.load_balancers,
        Group.MONITORING: sources.monitoring,
        Group.NODE_PORT_CLIENTS: sources.node_ports,
        Group.ANYWHERE: _EVERYONE,
    }
    return (*named, *fixed.get(group, ()))


def count_networks(cluster: Cluster) -> int:
    """How many networks and addresses all groups have together."""
    return sum(len(group_networks(group, cluster)) for group in Group)


def merged(networks: Iterable[IPNetwork], family: int) -> tuple[IPNetwork, ...]:
    """The networks of one family as the fewest disjoint ones, sorted.

    What `ipaddress.collapse_addresses` does, in a tenth of its time: lists hold every node.
    """
    bits = 32 if family == 4 else 128
    named = {
        (int(network.network_address), network.prefixlen): network
        for network in networks
        if network.version == family
    }
    kept: list[tuple[int, int]] = []
    for first, length in sorted(named):
        if kept and first >> (bits - kept[-1][1]) == kept[-1][0] >> (bits - kept[-1][1]):
            continue
        kept.append((first, length))
        while len(kept) > 1 and _are_halves(kept[-2], kept[-1], bits):
            kept.pop()
            kept[-1] = (kept[-1][0], kept[-1][1] - 1)
    return tuple(named.get(key) or _network(key, family) for key in kept)


def _are_halves(left: tuple[int, int], right: tuple[int, int], bits: int) -> bool:
    """Whether both are one network, cut in two."""
    (first, length), (second, other) = left, right
    size = bits - length
    return length == other and first >> size ^ second >> size == 1 and not first >> size & 1


def _network(key: tuple[int, int], family: int) -> IPNetwork:
    return IPv4Network(key) if family == 4 else IPv6Network(key)


@record
class PodTraffic:
    """What is forwarded for the pods of one family, beside the admissions of flows.

    Pods may send to anywhere, and ``nodes`` and pods to pods. ``pods`` and ``nodes`` are disjoint
    and sorted; ``pods`` is never empty.
    """

    family: int
    pods: tuple[IPNetwork, ...]
    nodes: tuple[IPNetwork, ...]


def unknown_sender(flow: Flow, group: Group) -> str:
    """What to say of a flow whose senders have no address that anybody named."""
    return (
        f"{flow.id} ({flow.label}) comes from {group.value}, and no address of them is known; name "
        "them in the cluster file (nodes:, networking.podSubnet, sources:) and give it with "
        f"--config, or add --source {group.value}=CIDR"
    )


class Senders:
    """The addresses behind the source groups of one cluster, each list made once.

    Lists that are equal by their groups are the same object.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._groups: dict[Group, tuple[IPNetwork, ...]] = {}
        self._merged: dict[tuple[frozenset[Group], int], tuple[IPNetwork, ...]] = {}

    def group(self, group: Group) -> tuple[IPNetwork, ...]:
        """The networks of one group, both families, not yet merged."""
        if group not in self._groups:
            self._groups[group] = group_networks(group, self._cluster)
        return self._groups[group]

    def merged(self, groups: frozenset[Group], family: int) -> tuple[IPNetwork, ...]:
        """The networks of several groups in one family, the fewest disjoint ones, sorted."""
        key = (groups, family)
        if key not in self._merged:
            self._merged[key] = merged(
                (network for group in groups for network in self.group(group)), family
            )
        return self._merged[key]

    def lacking(self, flow: Flow) -> tuple[Group, ...]:
        """The groups of a flow that must have addresses, and of which none is known."""
        needed = flow.sources - _MAY_BE_EMPTY - {Group.SELF}
        return tuple(group for group in sorted(needed, key=str) if not self.group(group))

    def of_flow(self, flow: Flow, family: int) -> tuple[IPNetwork, ...]:
        """Who may send a flow in one family; UsageError where a group lacks its addresses."""
        if lacking := self.lacking(flow):
            raise UsageError(unknown_sender(flow, lacking[0]))
        return self.merged(flow.sources, family)


def lacking_groups(policy: Policy) -> tuple[Group, ...]:
    """The groups without whose addresses ``admissions`` refuses this policy, sorted."""
    senders = Senders(policy.cluster)
    found = {group for flow in policy.flows for group in senders.lacking(flow)}
    return tuple(sorted(found, key=str))


def pod_traffic(policy: Policy, senders: Senders | None = None) -> tuple[PodTraffic, ...]:
    """The pod traffic of each family that has pods; none where no kubelet runs."""
    if not policy.role.runs_kubelet:
        return ()
    known = senders or Senders(policy.cluster)
    pods, nodes = frozenset({Group.PODS}), frozenset({Group.NODES})
    return tuple(
        PodTraffic(family, networks, known.merged(nodes, family))
        for family in (4, 6)
        if (networks := known.merged(pods, family))
    )


def let_through(policy: Policy, senders: Senders | None = None) -> tuple[Admission, ...]:
    """What rules of ours let in: the policy's admissions, and what no host can do without.

    That is what any router or neighbour sends (ICMP errors, neighbour discovery, DHCP answers)
    and the operators' way in, in both families, whichever the cluster uses. Loopback and
    established connections pass beside these. Raises UsageError as ``admissions`` does.
    """
    known = senders or Senders(policy.cluster)
    found = list(admissions(policy, known))
    there = {(admission.flow, admission.family) for admission in found}
    for flow in host.ROWS:
        if flow.sources & {Group.ANYWHERE, Group.ADMINS} and Group.NODES not in flow.sources:
            for family in sorted(flow.families):
                if (flow.id, family) not in there and (sources := known.of_flow(flow, family)):
                    found += _admissions(flow, family, sources)
    return tuple(found)


def admissions(policy: Policy, senders: Senders | None = None) -> tuple[Admission, ...]:
    """Every admission of the policy, in the order of its flows.

    Raises UsageError where a flow comes from a group that must have members and whose addresses
    nobody named: to let in everybody instead would be a silent widening.
    """
    known = senders or Senders(policy.cluster)
    found: list[Admission] = []
    for flow in policy.flows:
        if flow.local:
            continue
        for family in sorted(flow.families):
            if sources := known.of_flow(flow, family):
                found += _admissions(flow, family, sources)
    return tuple(found)


def _admissions(flow: Flow, family: int, sources: tuple[IPNetwork, ...]) -> list[Admission]:
    def made(hook: Hook, *, original_port: bool = False) -> Admission:
        return Admission(
            flow=flow.id,
            component=flow.component,
            hook=hook,
            family=family,
            protocol=flow.protocol,
            ports=flow.ports,
            icmp_types=flow.icmp_types or None,
            sources=sources,
            original_port=original_port,
        )

    if flow.to_pods:
        return [made(Hook.FORWARD)]
    if Group.NODE_PORT_CLIENTS in flow.sources:
        # DNAT comes before INPUT: a NodePort mostly leaves through FORWARD, where only conntrack
        # still knows the port that the client used. INPUT sees it in ipvs mode and for endpoints
        # on the host network.
        return [made(Hook.INPUT, original_port=True), made(Hook.FORWARD, original_port=True)]
    return [made(Hook.INPUT)]

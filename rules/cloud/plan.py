"""Policies of a cluster's roles -> what each role's group must let in, in no cloud's words. Pure.

The wire of a cloud is not a host's INPUT chain: a NodePort comes with the port that the client
used; of pods' packets a cloud sees only those that the pod network does not wrap into its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping

from rules import cnis
from rules.access import GROUP_ROLES, Senders, merged, pod_traffic, unknown_sender
from rules.cloud.peer import Peer, role_peer
from rules.cloud.rule import Grant, Place
from rules.cluster import Cluster, IPNetwork, Role
from rules.errors import UsageError
from rules.flows import Flow, Group
from rules.intervals import Interval
from rules.policy import Policy
from rules.record import field, record
from rules.words import hint

# Raised when the same policies are written in other rules, so that older ones show as drifted.
FORMAT = 1
PODS_TO_PODS = "pods-to-pods"
NODES_TO_PODS = "nodes-to-pods"


@record
class CloudPlan:
    """What the groups of some roles must let in.

    ``members``: every role of the cluster, as each has a group. ``receivers``: those whose rules
    are asked for. ``digest``: 16 hex digits that stand for all grants, the same for every cloud.
    ``flows``: by id, for their words.
    """

    cluster: Cluster
    members: tuple[str, ...]
    receivers: tuple[str, ...]
    families: tuple[int, ...]
    grants: tuple[Grant, ...]
    digest: str
    flows: dict[str, Flow] = field(default_factory=dict)

    def digest_of(self, role: str) -> str:
        """16 hex digits for the grants of one role, whichever others are asked for."""
        return _digest(grant for grant in self.grants if grant.receiver == role)


@record
class Wishes:
    """What a person may ask of a plan.

    ``leave_out``: ids of flows that are not written. ``by_address``: nodes are named by their
    addresses and not by their groups, for machines that no group of this cloud can hold.
    ``peers``: for a source group, what the cloud itself has for it (``Abilities.named``).
    """

    leave_out: frozenset[str] = frozenset()
    by_address: bool = False
    peers: tuple[tuple[Group, Peer], ...] = ()

    def named(self, group: Group) -> tuple[Peer, ...]:
        """What the person named for a group."""
        return tuple(peer for wanted, peer in self.peers if wanted is group)


def cluster_roles(cluster: Cluster) -> tuple[Role, ...]:
    """The roles of a cluster: those of its nodes.

    Without nodes: several masters and workers, and etcd members where etcd is external.
    """
    roles = {node.role for node in cluster.nodes} or {Role.MULTI_MASTER, Role.WORKER}
    if cluster.external_etcd:
        roles.add(Role.ETCD)
    return tuple(role for role in Role if role in roles)


def make_plan(
    policies: Mapping[Role, Policy], receivers: Collection[Role], wishes: Wishes | None = None
) -> CloudPlan:
    """The plan of a cluster whose ``policies`` are those of all its roles.

    Raises UsageError where a source has no group and no known address, and for a flow to be left
    out that nobody has.
    """
    wish = wishes or Wishes()
    cluster = next(iter(policies.values())).cluster
    maker = _Maker(cluster, tuple(policies), wish)
    grants: list[Grant] = []
    flows: dict[str, Flow] = {}
    for role, policy in policies.items():
        flows.update((flow.id, flow) for flow in policy.flows)
        if role in receivers:
            grants += maker.grants(policy)
    known = {grant.flow for grant in grants} | set(flows) | {PODS_TO_PODS, NODES_TO_PODS}
    if unknown := sorted(wish.leave_out - known):
        raise UsageError(
            f"no flow of these roles is called {unknown[0]!r}, so none is left out"
            f"{hint(unknown[0], known)}"
        )
    kept = tuple(grant for grant in grants if grant.flow not in wish.leave_out)
    return CloudPlan(
        cluster,
        tuple(role.value for role in policies),
        tuple(role.value for role in policies if role in receivers),
        cluster.families,
        kept,
        _digest(kept),
        flows,
    )


class _Maker:
    def __init__(self, cluster: Cluster, members: tuple[Role, ...], wishes: Wishes) -> None:
        self._cluster, self._members, self._wishes = cluster, members, wishes
        self._senders = Senders(cluster)
        # The addresses of groups whose members carry a cloud's group are only those that a person
        # added to the group by hand.
        bare = Cluster(**{**vars(cluster), "nodes": ()})
        self._added = self._senders if wishes.by_address else Senders(bare)

    def grants(self, policy: Policy) -> Iterator[Grant]:
        for flow in policy.admitted:
            for family in sorted(flow.families):
                yield from self._grants(flow, policy.role, Place.NODE, family)
        _, mode = cnis.find(self._cluster.cni)
        if not mode.shows_pod_addresses:
            return
        for flow in policy.forwarded:
            for family in sorted(flow.families):
                yield from self._grants(flow, policy.role, Place.PODS, family)
        for traffic in pod_traffic(policy, self._senders):
            receiver, family = policy.role.value, traffic.family
            yield Grant(PODS_TO_PODS, receiver, Place.PODS, family, None, None, (), traffic.pods)
            peers, networks = self._who(frozenset({Group.NODES}), family)
            if peers or networks:
                yield Grant(
                    NODES_TO_PODS, receiver, Place.PODS, family, None, None, peers, networks
                )

    def _grants(self, flow: Flow, role: Role, place: Place, family: int) -> Iterator[Grant]:
        if lacking := [group for group in self._senders.lacking(flow) if self._unknown(group)]:
            raise UsageError(unknown_sender(flow, lacking[0]))
        peers, networks = self._who(flow.sources, family)
        if not peers and not networks:
            return
        number = flow.protocol.number
        types: list[Interval | None] = [(kind, kind) for kind in flow.icmp_types]
        for ports in types or [flow.ports]:
            yield Grant(flow.id, role.value, place, family, number, ports, peers, networks)

    def _unknown(self, group: Group) -> bool:
        return self._wishes.by_address or not self._roles(group)

    def _who(
        self, groups: frozenset[Group], family: int
    ) -> tuple[tuple[Peer, ...], tuple[IPNetwork, ...]]:
        peers: dict[Peer, None] = {}
        for group in sorted(groups, key=str):
            if not self._wishes.by_address:
                peers.update((role_peer(role.value), None) for role in self._roles(group))
            peers.update((peer, None) for peer in self._wishes.named(group))
        networks = self._added.merged(groups, family)
        # What a cloud knows by a name may be addresses, such as those of its health checkers.
        known = [peer.network for peer in peers if peer.network is not None]
        if known:
            networks = merged((*networks, *known), family)
        named = sorted((peer for peer in peers if peer.network is None), key=lambda p: p.order)
        return tuple(named), networks

    def _roles(self, group: Group) -> tuple[Role, ...]:
        """The roles of the cluster that a source group means."""
        wanted = GROUP_ROLES.get(group, frozenset())
        if group is Group.ETCD:
            masters = GROUP_ROLES[Group.MASTERS]
            wanted = frozenset({Role.ETCD}) if self._cluster.external_etcd else masters
        return tuple(role for role in self._members if role in wanted)


def _digest(grants: Iterable[Grant]) -> str:
    content = [
        (
            grant.flow,
            grant.receiver,
            grant.place.value,
            grant.family,
            grant.protocol,
            grant.ports,
            [str(peer) for peer in grant.peers],
            [str(network) for network in grant.networks],
        )
        for grant in grants
    ]
    return hashlib.sha256(json.dumps([FORMAT, content]).encode()).hexdigest()[:16]

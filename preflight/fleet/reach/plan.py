"""Policy -> the ports to listen on, and the errands to every peer. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from preflight.fleet.reach.model import Errand, Peer
from rules.cluster import Cluster, Role
from rules.flows import Flow, Group
from rules.policy import Policy, policy
from rules.version import Version

PROBED = frozenset({"tcp", "udp"})
_GROUPS = {
    Role.MASTER: frozenset({Group.MASTERS, Group.NODES}),
    Role.MULTI_MASTER: frozenset({Group.MASTERS, Group.NODES}),
    Role.WORKER: frozenset({Group.WORKERS, Group.NODES}),
    Role.ETCD: frozenset({Group.ETCD}),
}


def groups_of(role: Role, cluster: Cluster) -> frozenset[Group]:
    """The source groups that a node of this role belongs to."""
    stacked = role.control_plane and not cluster.external_etcd
    return _GROUPS[role] | ({Group.ETCD} if stacked else frozenset())


def ports_of(flow: Flow) -> tuple[int, ...]:
    """The ports of a flow that are probed: both ends of a range."""
    return tuple(dict.fromkeys(flow.ports or ()))


def served(target: Policy) -> dict[tuple[str, int], Flow]:
    """The ports that a listener of this role has: (``tcp``, 10250) -> the flow that binds it."""
    found: dict[tuple[str, int], Flow] = {}
    for flow in target.admitted:
        if flow.protocol.value in PROBED and not flow.loopback_only and _from_nodes(flow):
            for port in ports_of(flow):
                key = (flow.protocol.value, port)
                # Of several flows at one port the one with a program says who should be there.
                if key not in found or not found[key].process:
                    found[key] = flow
    return found


def _from_nodes(flow: Flow) -> bool:
    return bool(flow.sources & {Group.MASTERS, Group.WORKERS, Group.NODES, Group.ETCD})


def errands(
    own: Role, peers: Iterable[Peer], cluster: Cluster, version: Version, *, proxy_disabled: bool
) -> tuple[Errand, ...]:
    """Every port of every peer that a node of role ``own`` must be able to send to.

    One for each address family that the peer has an address of and the cluster uses.
    """
    groups = groups_of(own, cluster)
    found: list[Errand] = []
    for peer in peers:
        made = policy(peer.role, cluster, version=version, proxy_disabled=proxy_disabled)
        listening = served(made)
        needs: dict[tuple[str, int], list[Flow]] = {}
        for flow in made.admitted:
            if flow.protocol.value in PROBED and flow.sources & groups:
                for port in ports_of(flow):
                    needs.setdefault((flow.protocol.value, port), []).append(flow)
        for (protocol, port), flows in needs.items():
            families = {family for flow in flows for family in flow.families}
            binder = listening.get((protocol, port), flows[0])
            found += [
                Errand(
                    peer,
                    address,
                    protocol,
                    port,
                    tuple(flow.id for flow in flows),
                    binder.component,
                    binder.process,
                )
                for address in peer.addresses
                if address.version in families
            ]
    return tuple(found)


def unprobed(own: Role, peers: Iterable[Peer], cluster: Cluster, version: Version) -> set[str]:
    """What the node must be able to send, and no probe can carry: ``protocol 4 (ipip)``, ..."""
    groups = groups_of(own, cluster)
    return {
        flow.label
        for peer in peers
        for flow in policy(peer.role, cluster, version=version).admitted
        if flow.protocol.value not in PROBED and flow.sources & groups
    }

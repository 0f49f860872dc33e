"""Policy -> the ports to listen on, and the errands to every peer. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from preflight.fleet.reach.frames import ECHO, FRAMES
from preflight.fleet.reach.model import Errand, Peer
from rules.cluster import Cluster, Role
from rules.flows import Flow, Group, Protocol
from rules.policy import Policy, policy
from rules.version import Version

WITH_PORTS = frozenset({"tcp", "udp"})
# Why no probe can carry a flow.
_TO_A_GROUP = "goes to all speakers on the link, and a probe of one peer says nothing about that"
_NO_FRAME = "nodeprep cannot make such packets"
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


def probed(flow: Flow) -> bool:
    """Whether a probe can carry the flow: TCP, UDP, echo, and protocols that are tunnels."""
    name = flow.protocol.value
    return name in WITH_PORTS or (
        name in FRAMES and (name not in ECHO or ECHO[name][0] in flow.icmp_types)
    )


def ports_of(flow: Flow) -> tuple[int, ...]:
    """The ports of a flow that are probed: both ends of a range, 0 where it has none."""
    return tuple(dict.fromkeys(flow.ports or (0,)))


def served(target: Policy) -> dict[tuple[str, int], Flow]:
    """The ports that a listener of this role has: (``tcp``, 10250), (``esp``, 0) -> the flow that
    binds it."""
    found: dict[tuple[str, int], Flow] = {}
    for flow in target.admitted:
        if probed(flow) and not flow.loopback_only and _from_nodes(flow):
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
            if probed(flow) and flow.sources & groups:
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
    """What the node must be able to send, and no probe can carry, with the reason."""
    groups = groups_of(own, cluster)
    return {
        f"{flow.label}: {_TO_A_GROUP if flow.protocol is Protocol.VRRP else _NO_FRAME}"
        for peer in peers
        for flow in policy(peer.role, cluster, version=version).admitted
        if not probed(flow) and flow.sources & groups
    }

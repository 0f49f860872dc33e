"""Whether this host's packet filters let in what the role needs, and let pods through."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from preflight.checks.firewallscene import Scene, where
from preflight.checks.registry import (
    KUBELET_ROLES,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
)
from preflight.checks.scope import own_node
from preflight.facts.model import Facts, Undetermined, Unknown
from preflight.target import Phase, Target
from rules.access import Senders, admissions
from rules.cluster import Cluster, IPAddress, IPNetwork
from rules.flows import Flow, Group
from rules.packet import TCP, UDP, Packet
from rules.policy import Policy
from rules.tracing.flowprobes import Probe, probes

if TYPE_CHECKING:
    from rules.tracing.trace import Trace

_NODES = (Group.MASTERS, Group.WORKERS, Group.ETCD)
# Pod networks that add rules of their own which let pods through FORWARD.
_OPEN_THEIR_OWN = frozenset(
    {"antrea", "calico", "canal", "cilium", "flannel", "kube-ovn", "kube-router", "weave"}
)
# By what pods come in, where it is not a bridge called cni0.
_POD_INTERFACES = {
    "calico": "cali0",
    "canal": "cali0",
    "cilium": "lxc0",
    "kube-router": "kube-bridge",
}
_OUTSIDE = {4: ip_address("203.0.113.1"), 6: ip_address("2001:db8::1")}


@check(
    "firewall-admits",
    title="The packet filter lets in what the role needs",
    why="kubeadm join, the API server, kubelets and etcd talk over ports that a default-deny "
    "firewall closes: everything installs, and then times out.",
    source="https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    aliases=("Firewalld",),
    applies="Every table of nf_tables and both kinds of iptables count. Where no file names the "
    "nodes, the node's own networks stand for them.",
    fix="firewall-admits",
)
def firewall_admits(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each flow that is not let in, or one for all."""
    scene = Scene(facts)
    if scene.empty:
        yield passed("no packet filter holds rules that act, so nothing is kept out")
        return
    tried, found = _traced(scene, target)
    for flow, probe, traced in found.values():
        yield _not_admitted(flow, probe, traced, target)
    if not found:
        ports = ", ".join(sorted(tried))
        yield passed(f"the packet filter lets in what the role needs: {ports}")


def verdicts(facts: Facts, target: Target) -> dict[str, str]:
    """Each flow that the node must let in (``10250/tcp``) -> what its rules do with it.

    ``admitted``, ``dropped``, ``rejected`` or ``unknown``: the worst of all its sources. Raises
    Undetermined where the rules are not known.
    """
    scene = Scene(facts)
    tried, found = _traced(scene, target)
    words = dict.fromkeys(sorted(tried), "admitted")
    for label, (_, _, traced) in found.items():
        stopped = "rejected" if traced.verdict == "reject" else "dropped"
        words[label] = "unknown" if traced.admitted is None else stopped
    return words


def _traced(scene: Scene, target: Target) -> tuple[set[str], dict[str, tuple[Flow, Probe, Trace]]]:
    """The labels of all flows to this node, and of those that are not let in one example each.

    Raises Undetermined where the node has no address.
    """
    policy = _with_senders(target.policy, scene)
    own = scene.own(policy.cluster.families)
    if not own:
        message = "the node has no address at which others could reach it"
        raise Undetermined(Unknown("absent", message))
    flows = {flow.id: flow for flow in policy.flows}
    # Several flows may use one port (the kubelet's); a port is judged once.
    found: dict[str, tuple[Flow, Probe, Trace]] = {}
    tried: set[str] = set()
    for probe in probes(admissions(policy), policy.cluster, own):
        if probe.hook != "input":
            continue
        flow = flows[probe.admission.flow]
        tried.add(flow.label)
        traced = scene.trace(probe.packet, probe.hook)
        seen = found.get(flow.label)
        if traced.admitted is True:
            continue
        # What is certainly kept out says more than what cannot be told.
        if seen is None or (seen[2].admitted is None and traced.admitted is False):
            found[flow.label] = (flow, probe, traced)
    return tried, found


def _with_senders(policy: Policy, scene: Scene) -> Policy:
    """The policy with the node's own networks for nodes that no file names; pods left out.

    A file that names the nodes names all of them: of a role that none has, nobody sends.
    """
    cluster, senders = policy.cluster, Senders(policy.cluster)
    networks = () if cluster.nodes else scene.networks(cluster.families)
    named = [(group.value, networks) for group in _NODES if not senders.group(group) and networks]
    known = Cluster(**{**vars(cluster), "group_networks": (*cluster.group_networks, *named)})
    again = Senders(known)
    flows = []
    for flow in policy.flows:
        lacking = frozenset(again.lacking(flow))
        if sources := flow.sources - lacking:
            flows.append(flow if not lacking else flow.but(sources=sources))
    return Policy(policy.role, known, tuple(flows), policy.optional)


def _not_admitted(flow: Flow, probe: Probe, traced: Trace, target: Target) -> Judgement:
    what = f"{flow.label} ({flow.component}) from {probe.packet.source}"
    if traced.admitted is None:
        return undetermined(
            f"whether {what} is let in hangs on {'; '.join(traced.unknown) or 'an unknown rule'}",
            subject=flow.label,
        )
    verb = "rejected" if traced.verdict == "reject" else "dropped"
    return failed(
        f"{what} is {verb} by {where(traced.decided_by)}",
        subject=flow.label,
        observed=verb,
        expected="let in",
        remedy=_open(target),
    )


def _open(target: Target) -> str:
    return f"nodeprep firewall apply --role {target.role.value} --posture allow{target.flags}"


@check(
    "firewall-forwards",
    title="The packet filter lets pods through",
    why="Pods' packets pass the FORWARD hook, where Docker and ufw drop by default: pods start, "
    "and reach neither each other nor a service.",
    source="https://kubernetes.io/docs/concepts/cluster-administration/networking/",
    roles=KUBELET_ROLES,
    applies="Pods are taken to come by the interface that the pod network makes. Pod networks that "
    "bring rules of their own are judged after kubeadm has run.",
    fix="firewall-forwards",
)
def firewall_forwards(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each direction that is not let through, or one for all."""
    scene = Scene(facts)
    if scene.empty:
        yield passed("no packet filter holds rules that act, so pods' packets pass")
        return
    subnets = target.cluster.pod_subnets
    if not subnets:
        yield skipped("no file names the pods' range (networking.podSubnet)")
        return
    stopped = False
    node = own_node(facts, target)
    for name, packet in _pod_packets(target, subnets, node.pod_subnets if node else ()):
        traced = scene.trace(packet, "forward")
        if traced.admitted is True:
            continue
        stopped = True
        yield _not_forwarded(name, traced, target)
    if not stopped:
        ranges = ", ".join(map(str, subnets))
        yield passed(f"the packet filter forwards what pods of {ranges} send and get")


def _not_forwarded(name: str, traced: Trace, target: Target) -> Judgement:
    if traced.admitted is None:
        reason = "; ".join(traced.unknown) or "an unknown rule"
        return undetermined(f"whether packets {name} pass hangs on {reason}", subject=name)
    cni = target.cluster.cni.name
    if target.phase is Phase.BEFORE and cni in _OPEN_THEIR_OWN:
        return skipped(
            f"packets {name} are stopped by {where(traced.decided_by)}, and {cni} brings rules of "
            "its own",
            subject=name,
        )
    verb = "rejected" if traced.verdict == "reject" else "dropped"
    return failed(
        f"packets {name} are {verb} by {where(traced.decided_by)}",
        subject=name,
        observed=verb,
        expected="forwarded",
        remedy=_open(target),
    )


def _pod_packets(
    target: Target, subnets: tuple[IPNetwork, ...], own: tuple[IPNetwork, ...]
) -> Iterator[tuple[str, Packet]]:
    """From a pod here to one elsewhere, back, and to the outside.

    ``own`` are the ranges of this node, as far as they are known: rules may name only these.
    """
    link = _POD_INTERFACES.get(target.cluster.cni.name, "cni0")
    for subnet in subnets:
        if subnet.num_addresses < 4:
            continue
        family = subnet.version
        here = next((one for one in own if one.version == family), subnet)
        near = here[min(10, here.num_addresses // 2)]
        far = subnet[subnet.num_addresses - 2]
        if far == near:
            far = subnet[1]
        outside = _OUTSIDE[family]
        yield (
            f"from pod to pod (IPv{family})",
            _packet(near, far, UDP, 53, interface_in=link),
        )
        yield (
            f"from elsewhere to a pod (IPv{family})",
            _packet(far, near, TCP, 8080, interface_out=link),
        )
        yield (
            f"from a pod to the outside (IPv{family})",
            _packet(near, outside, TCP, 443, interface_in=link),
        )


def _packet(
    source: IPAddress,
    destination: IPAddress,
    protocol: int,
    port: int,
    *,
    interface_in: str | None = None,
    interface_out: str | None = None,
) -> Packet:
    return Packet(
        family=source.version,
        protocol=protocol,
        source=source,
        destination=destination,
        source_port=50000,
        destination_port=port,
        interface_in=interface_in,
        interface_out=interface_out,
    )

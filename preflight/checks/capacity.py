"""Pod, service and node ranges against each other, and whether they are large enough."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from preflight.checks import scope
from preflight.checks.ranges import overlapping
from preflight.checks.registry import (
    CONTROL_PLANE,
    Judgement,
    check,
    failed,
    passed,
    skipped,
)
from preflight.facts.model import Facts
from preflight.facts.model.network import IPNetwork
from preflight.target import Target
from rules.record import record

# kubeadm's limits: cmd/kubeadm/app/constants/constants.go, the same from 1.24 to 1.37.
MINIMUM_SERVICE_ADDRESSES = 10
MAXIMUM_SERVICE_HOST_BITS = 20
MAXIMUM_MASK_DIFFERENCE = 16
# Network, broadcast and gateway of a node's IPv4 range (the host-local IPAM plugin).
RESERVED_ADDRESSES = 3
SHOWN = 5
KUBEADM = "https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/"


@record
class Claim:
    """Who has a range: ``kind`` is pods, services, node, or a node's pods; ``owner`` names it."""

    kind: str
    owner: str


POD, SERVICE, NODE, NODE_PODS = "pods", "services", "node", "pods of"


@check(
    "cidrs-disjoint",
    title="Pod, service and node ranges do not overlap",
    why="An address that is in two of them leads to one of the two only. Most versions of kubeadm "
    "do not look at this.",
    source="https://kubernetes.io/docs/concepts/cluster-administration/networking/"
    "#kubernetes-ip-address-ranges",
    roles=CONTROL_PLANE,
)
def cidrs_disjoint(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each overlap (at most six), else one for all."""
    claims = list(_claims(target))
    found = [
        _overlap(outer, inner) for outer, inner in overlapping(claims) if not _belongs(outer, inner)
    ]
    found += list(_strays(target))
    yield from found[:SHOWN]
    if len(found) > SHOWN:
        yield failed(
            f"and {len(found) - SHOWN} more overlaps",
            subject="more",
            remedy="mend the overlaps above, then run nodeprep again",
        )
    elif not found:
        pods = ", ".join(map(str, target.cluster.pod_subnets)) or "none"
        services = ", ".join(map(str, target.cluster.service_subnets)) or "none"
        nodes = len(target.cluster.nodes)
        yield passed(
            f"pods {pods}, services {services}" + (f", {nodes} nodes" if nodes else ""),
            observed=f"{pods}; {services}",
        )


def _claims(target: Target) -> Iterator[tuple[IPNetwork, Claim]]:
    cluster = target.cluster
    for cidr in cluster.pod_subnets:
        yield cidr, Claim(POD, "the pod range")
    for cidr in cluster.service_subnets:
        yield cidr, Claim(SERVICE, "the service range")
    for node in cluster.nodes:
        for ip in node.addresses:
            yield ip_network(ip), Claim(NODE, f"node {node.name}")
        for cidr in node.pod_subnets:
            yield cidr, Claim(NODE_PODS, f"the pod range of node {node.name}")


def _belongs(outer: tuple[IPNetwork, Claim], inner: tuple[IPNetwork, Claim]) -> bool:
    kinds = {outer[1].kind, inner[1].kind}
    return kinds == {POD, NODE_PODS}


def _overlap(outer: tuple[IPNetwork, Claim], inner: tuple[IPNetwork, Claim]) -> Judgement:
    (first, one), (second, other) = outer, inner
    same = first == second
    return failed(
        f"{one.owner} and {other.owner} are both {first}"
        if same
        else f"{other.owner} ({second}) lies in {one.owner} ({first})",
        subject=f"{first},{second}" if not same else str(first),
        observed=f"{first}, {second}",
        expected="ranges that share no address",
        remedy=f"choose another range or address for {other.owner}",
    )


def _strays(target: Target) -> Iterator[Judgement]:
    """Pod ranges of nodes that lie outside the cluster's."""
    cluster = target.cluster
    if not cluster.pod_subnets:
        return
    for node in cluster.nodes:
        for cidr in node.pod_subnets:
            same = [pods for pods in cluster.pod_subnets if pods.version == cidr.version]
            if not any(pods.prefixlen <= cidr.prefixlen and pods.overlaps(cidr) for pods in same):
                ranges = ", ".join(map(str, cluster.pod_subnets))
                yield failed(
                    f"the pod range of node {node.name} ({cidr}) lies outside {ranges}",
                    subject=str(cidr),
                    observed=str(cidr),
                    expected=f"within {ranges}",
                    remedy=f"choose a podSubnet for node {node.name} within {ranges}",
                )


@check(
    "cidr-capacity",
    title="The ranges are large enough",
    why="Each node gets a share of the pod range, and each service an address. When they run out, "
    "nodes stay without pods; a range cannot be changed later. kubeadm refuses some sizes.",
    source=KUBEADM,
    roles=CONTROL_PLANE,
)
def cidr_capacity(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each range."""
    for cidr in target.cluster.service_subnets:
        yield _judge_services(cidr)
    if not target.cluster.pod_subnets:
        yield skipped("no pod range is configured (networking.podSubnet)", subject="pods")
    for cidr in target.cluster.pod_subnets:
        yield _judge_pods(target, cidr)


def _judge_services(cidr: IPNetwork) -> Judgement:
    host_bits = cidr.max_prefixlen - cidr.prefixlen
    narrowest = cidr.max_prefixlen - MAXIMUM_SERVICE_HOST_BITS
    seen = f"{cidr.num_addresses} addresses" if host_bits <= 32 else f"2^{host_bits} addresses"
    if cidr.num_addresses < MINIMUM_SERVICE_ADDRESSES:
        return failed(
            f"the service range {cidr} has {seen}, and kubeadm wants {MINIMUM_SERVICE_ADDRESSES}",
            subject=str(cidr),
            observed=seen,
            expected=f">= {MINIMUM_SERVICE_ADDRESSES}",
            remedy=f"set networking.serviceSubnet to a range of /{cidr.max_prefixlen - 8} or wider",
        )
    if host_bits > MAXIMUM_SERVICE_HOST_BITS:
        return failed(
            f"the service range {cidr} is wider than the API server takes (/{narrowest})",
            subject=str(cidr),
            observed=f"/{cidr.prefixlen}",
            expected=f"/{narrowest} or narrower",
            remedy=f"set networking.serviceSubnet to {cidr.network_address}/{narrowest}",
        )
    return passed(f"{seen} for services in {cidr}", subject=str(cidr), observed=seen)


def _judge_pods(target: Target, cidr: IPNetwork) -> Judgement:
    bits = target.settings.node_subnet_bits[0 if cidr.version == 4 else 1]
    difference = bits - cidr.prefixlen
    subject = str(cidr)
    flag = f"node-cidr-mask-size-ipv{cidr.version}"
    if difference < 0:
        return failed(
            f"the pod range {cidr} is smaller than the /{bits} that each node gets of it",
            subject=subject,
            observed=f"/{cidr.prefixlen}",
            expected=f"/{bits} or wider",
            remedy=f"set networking.podSubnet to a wider range, or the controller manager's {flag} "
            f"to more than {cidr.prefixlen}",
        )
    if difference > MAXIMUM_MASK_DIFFERENCE:
        return failed(
            f"kubeadm takes no pod range {cidr} with /{bits} for each node: the difference is over "
            f"{MAXIMUM_MASK_DIFFERENCE}",
            subject=subject,
            observed=f"/{cidr.prefixlen} and /{bits}",
            expected=f"at most {MAXIMUM_MASK_DIFFERENCE} bits apart",
            remedy=f"set the controller manager's {flag} to "
            f"{cidr.prefixlen + MAXIMUM_MASK_DIFFERENCE}",
        )
    return _judge_shares(target, cidr, bits)


def _judge_shares(target: Target, cidr: IPNetwork, bits: int) -> Judgement:
    room, nodes = 2 ** (bits - cidr.prefixlen), len(target.cluster.nodes)
    each = 2 ** (cidr.max_prefixlen - bits) - RESERVED_ADDRESSES
    pods, subject = target.settings.kubelet.max_pods, str(cidr)
    profile, _ = scope.pod_network(target)
    if not profile.ipam.startswith("host-local"):
        return _judge_pool(target, cidr, profile.title)
    seen = f"{room} nodes of {each} pods" if each < 2**20 else f"{room} nodes"
    if nodes > room:
        return failed(
            f"{cidr} has room for {seen}, and the cluster has {nodes} nodes",
            subject=subject,
            observed=seen,
            expected=f">= {nodes} nodes",
            remedy="set networking.podSubnet to a wider range",
        )
    if each < pods:
        return failed(
            f"a node's /{bits} of {cidr} has room for {max(each, 0)} pods, and the kubelet takes "
            f"{pods}",
            subject=subject,
            observed=f"{max(each, 0)} pods",
            expected=f">= {pods} pods",
            remedy=f"set maxPods in the kubelet's configuration to {max(each, 1)}, or the "
            f"controller manager's node-cidr-mask-size to less than {bits}",
        )
    return passed(f"{cidr} has room for {seen}", subject=subject, observed=seen)


def _judge_pool(target: Target, cidr: IPNetwork, title: str) -> Judgement:
    """Where the product gives addresses out of the whole range, without a share for each node."""
    needed, subject = max(1, len(target.cluster.nodes)), str(cidr)
    host_bits = cidr.max_prefixlen - cidr.prefixlen
    seen = f"{cidr.num_addresses} addresses" if host_bits <= 32 else f"2^{host_bits} addresses"
    if cidr.num_addresses < needed:
        return failed(
            f"{cidr} has {seen}, and the cluster has {needed} nodes",
            subject=subject,
            observed=seen,
            expected=f">= {needed}",
            remedy="set networking.podSubnet to a wider range",
        )
    return passed(f"{title} gives out {seen} of {cidr}", subject=subject, observed=seen)

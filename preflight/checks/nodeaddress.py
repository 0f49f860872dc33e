"""The address by which the node is known to the others."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.picks import (
    Pick,
    chosen_by_route,
    default_routes,
    kubeadm_pick,
    kubelet_picks,
    pod_network_pick,
)
from preflight.checks.registry import (
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
    warned,
)
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.network import Interface, IPAddress, Route
from preflight.facts.model.uplinks import uplinks, usable_addresses
from preflight.target import Target
from rules.cluster import Role

# VirtualBox's NAT and QEMU's user network give every machine this address, and this gateway.
# https://www.virtualbox.org/manual/ch09.html#changenat, https://wiki.qemu.org/Documentation/Networking
NAT_ADDRESS, NAT_GATEWAY = "10.0.2.15", "10.0.2.2"


@check(
    "node-address",
    title="kubeadm, kubelet and pod network take the same address",
    why="Each program picks the node's address by its own rule. Where they differ, or take one "
    "that other nodes cannot reach, the node registers and its pods are cut off.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"
    "#check-network-adapters",
    applies="kubeadm picks one on control planes; Flannel and Calico pick their own, other pod "
    "networks take the kubelet's or need none.",
)
def node_address(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each bad address, for a difference, or one that all is well."""
    network = known(facts.network)
    interfaces = known(network.interfaces)
    absent = [*_not_here(target, interfaces)]
    yield from absent
    if absent:
        return
    routes = network.routes
    settled = target.settings.node_ips and target.settings.advertise_address
    if isinstance(routes, Unknown) and not settled:
        yield undetermined(f"the default route is not known: {routes.message}")
        return
    ways = () if isinstance(routes, Unknown) else routes
    picks = [*_picks(facts, target, interfaces, ways)]
    if not all(pick.address for pick in picks):
        yield _nothing_to_pick(picks, interfaces, ways)
        return
    found = [*_unfit(picks, target, interfaces, ways)] or [*_differing(picks)]
    yield from found
    if not found:
        shown = "; ".join(f"{pick.who} takes {pick.address} ({pick.why})" for pick in picks)
        yield passed(shown, observed=", ".join(dict.fromkeys(str(p.address) for p in picks)))
        yield from _one_family_only(target, picks)


def _picks(
    facts: Facts, target: Target, interfaces: tuple[Interface, ...], routes: tuple[Route, ...]
) -> Iterator[Pick]:
    if target.role is Role.ETCD and not target.settings.node_ips:
        pick = chosen_by_route(interfaces, routes)
        yield Pick("etcd", pick.address, pick.why)
        return
    if target.role.control_plane:
        yield kubeadm_pick(target, interfaces, routes)
    picks = kubelet_picks(facts, target, interfaces, routes)
    yield from picks
    for family in dict.fromkeys(pick.address.version for pick in picks if pick.address):
        if target.role.runs_kubelet:
            tunnel = pod_network_pick(target, interfaces, routes, family)
            if tunnel:
                yield tunnel


def _not_here(target: Target, interfaces: tuple[Interface, ...]) -> Iterator[Judgement]:
    own = {address.ip for item in interfaces for address in item.addresses}
    settings = target.settings
    given: dict[IPAddress, str] = dict.fromkeys(settings.node_ips, "node-ip")
    if settings.advertise_address is not None:
        given.setdefault(settings.advertise_address, "advertiseAddress")
    for ip, key in given.items():
        if ip not in own and not ip.is_unspecified:
            usable = ", ".join(_usable(interfaces)) or "none"
            yield failed(
                f"{key} is {ip}, which is on no interface of this machine",
                subject=str(ip),
                observed=usable,
                expected=str(ip),
                remedy=f"set {key} to an address of this machine ({usable}), or give {ip} to it",
            )


def _usable(interfaces: tuple[Interface, ...]) -> list[str]:
    return [str(a.ip) for item in uplinks(interfaces) for a in usable_addresses(item)]


def _nothing_to_pick(
    picks: list[Pick], interfaces: tuple[Interface, ...], routes: tuple[Route, ...]
) -> Judgement:
    if not any(default_routes(routes, family) for family in (4, 6)):
        return skipped("there is no default route to pick an address by; default-route judges that")
    lost = next(pick for pick in picks if pick.address is None)
    usable = _usable(interfaces)
    if usable:
        remedy = f"set advertiseAddress and node-ip in kubeadm's configuration to {usable[0]}"
    else:
        remedy = "give the interface of the default route an address that other nodes can reach"
    return failed(
        f"{lost.who} finds no address for this node: {lost.why}",
        subject=lost.who,
        observed=", ".join(usable) or "no usable address",
        remedy=remedy,
    )


def _unfit(
    picks: list[Pick], target: Target, interfaces: tuple[Interface, ...], routes: tuple[Route, ...]
) -> Iterator[Judgement]:
    by_address: dict[IPAddress, list[Pick]] = {}
    for pick in picks:
        if pick.address:
            by_address.setdefault(pick.address, []).append(pick)
    for ip, group in by_address.items():
        fault, certain = _fault(ip, target, routes)
        if not fault:
            continue
        who = " and ".join(pick.who for pick in group)
        judge = failed if certain else warned
        yield judge(
            f"{who} would take {ip} ({group[0].why}), {fault}",
            subject=str(ip),
            observed=str(ip),
            expected="an address that the other nodes can reach",
            remedy=_choose_another(ip, target, interfaces),
        )


def _fault(ip: IPAddress, target: Target, routes: tuple[Route, ...]) -> tuple[str, bool]:
    """What is wrong with the address (empty: nothing), and whether that is certain."""
    if ip.is_loopback:
        return "which leads only to this machine itself", True
    if ip.is_link_local:
        return "which is link-local and does not cross a router", True
    if str(ip) == NAT_ADDRESS:
        gateways = {str(route.gateway) for route in default_routes(routes, 4) if route.gateway}
        # A real network of that range has its router elsewhere.
        certain = NAT_GATEWAY in gateways or not any(g.startswith("10.0.2.") for g in gateways)
        return "which VirtualBox and QEMU give to every machine behind their NAT", certain
    if ip.version not in target.cluster.families:
        return f"and the cluster uses no IPv{ip.version}", True
    return "", True


def _choose_another(ip: IPAddress, target: Target, interfaces: tuple[Interface, ...]) -> str:
    others = [
        address.ip
        for item in uplinks(interfaces)
        for address in usable_addresses(item)
        if address.ip != ip
        and str(address.ip) != NAT_ADDRESS
        and address.ip.version in target.cluster.families
    ]
    if not others:
        return "attach the machine to a network that the other nodes can reach"
    where = "kubeadm's configuration (nodeRegistration.kubeletExtraArgs)"
    text = f"set node-ip to {others[0]} in {where}"
    if target.role.control_plane:
        text += f", and localAPIEndpoint.advertiseAddress to {others[0]}"
    return text


def _differing(picks: list[Pick]) -> Iterator[Judgement]:
    for family in (4, 6):
        same = [pick for pick in picks if pick.address and pick.address.version == family]
        addresses = dict.fromkeys(pick.address for pick in same)
        if len(addresses) < 2:
            continue
        shown = "; ".join(f"{pick.who} takes {pick.address} ({pick.why})" for pick in same)
        yield failed(
            shown,
            subject=f"IPv{family}",
            observed=", ".join(str(address) for address in addresses),
            expected="one address",
            remedy=_agree(same),
        )


def _agree(picks: list[Pick]) -> str:
    # What was set by hand is what is wanted; else what kubeadm takes.
    wanted = next((pick for pick in picks if "is set" in pick.why), picks[0])
    parts = []
    for pick in picks:
        if pick.address == wanted.address:
            continue
        if pick.who == "the kubelet":
            parts.append(f"set the kubelet's node-ip to {wanted.address}")
        elif pick.who == "kubeadm":
            parts.append(f"set localAPIEndpoint.advertiseAddress to {wanted.address}")
        elif pick.who == "Flannel":
            parts.append(f"start flanneld with --iface={wanted.address}")
        else:
            parts.append("set IP_AUTODETECTION_METHOD=kubernetes-internal-ip for calico-node")
    return ", and ".join(parts)


def _one_family_only(target: Target, picks: list[Pick]) -> Iterator[Judgement]:
    kubelet = {p.address.version for p in picks if p.who == "the kubelet" and p.address}
    missing = [family for family in target.cluster.families if family not in kubelet]
    if not kubelet or not missing or not target.role.runs_kubelet:
        return
    if not set(scope.families(target)) >= {4, 6}:
        return
    yield warned(
        f"the cluster is dual-stack and the kubelet takes no IPv{missing[0]} address; pods on the "
        "host network will have one family only",
        subject="dual-stack",
        remedy="set the kubelet's node-ip to both addresses, separated by a comma",
    )

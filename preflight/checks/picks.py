"""Which address kubeadm, the kubelet and the pod network would each take for this node. Pure.

Sources: ``chooseHostInterfaceFromRoute`` in k8s.io/apimachinery/pkg/util/net/interface.go (kubeadm
and kubelet), ``NodeAddress`` in pkg/kubelet/nodestatus/setters.go, Calico's autodetection_linux.go
and Flannel's documentation of --iface.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.network import Interface, IPAddress, Route
from preflight.facts.model.uplinks import is_usable
from preflight.target import Target
from rules.record import record

KUBEADM, KUBELET = "kubeadm", "the kubelet"
# Interfaces that Calico's first-found method leaves out.
_CALICO_EXCLUDES = re.compile(
    r"docker|cbr|dummy|virbr|lxcbr|veth|lo|cali|tunl|flannel|kube-ipvs|cni|vxlan\.calico"
    r"|vxlan-v6\.calico|wireguard\.cali|wg-v6\.cali|nodelocaldns"
)


@record
class Pick:
    """``who`` takes ``address``, and ``why``. Without an address: it finds none."""

    who: str
    address: IPAddress | None
    why: str


def default_routes(routes: Iterable[Route], family: int) -> list[Route]:
    """The usable default routes of the main table, the preferred one first."""
    found = [
        route
        for route in routes
        if route.destination.version == family
        and route.destination.prefixlen == 0
        and route.table == "main"
        and route.type == "unicast"
    ]
    return sorted(found, key=lambda route: route.metric)


def default_address(
    interfaces: tuple[Interface, ...], routes: Iterable[Route], family: int
) -> tuple[IPAddress, str] | None:
    """The first usable address of the default route's interface, else one of loopback."""
    by_name = {item.name: item for item in interfaces}
    for route in default_routes(routes, family):
        item = by_name.get(route.interface)
        if item is None:
            continue
        loopbacks = [other for other in interfaces if other.loopback]
        for candidate in (item, *loopbacks):
            for ip in _addresses(candidate, family):
                return ip, candidate.name
    return None


def _addresses(item: Interface, family: int) -> Iterator[IPAddress]:
    for address in item.addresses if item.up else ():
        if address.ip.version == family and is_usable(address):
            yield address.ip


def chosen_by_route(
    interfaces: tuple[Interface, ...], routes: Iterable[Route], families: tuple[int, ...] = (4, 6)
) -> Pick:
    """What a program without a setting takes: the first family that has a way out."""
    every = tuple(routes)
    for family in families:
        if found := default_address(interfaces, every, family):
            return Pick("", found[0], f"the default route leads by {found[1]}")
    return Pick("", None, "there is no default route to an interface with an address")


def kubeadm_pick(
    target: Target, interfaces: tuple[Interface, ...], routes: Iterable[Route]
) -> Pick:
    """The API server's advertise address."""
    advertise = target.settings.advertise_address
    if advertise is not None and not advertise.is_unspecified:
        return Pick(KUBEADM, advertise, "advertiseAddress is set")
    families = (6, 4) if advertise is not None and advertise.version == 6 else (4, 6)
    found = chosen_by_route(interfaces, routes, families)
    return Pick(KUBEADM, found.address, found.why)


def kubelet_picks(
    facts: Facts, target: Target, interfaces: tuple[Interface, ...], routes: Iterable[Route]
) -> list[Pick]:
    """The node's InternalIP, or two of them where --node-ip names two."""
    given = [ip for ip in target.settings.node_ips if not ip.is_unspecified]
    if given:
        return [Pick(KUBELET, ip, "node-ip is set") for ip in given]
    wanted = target.settings.node_ips[0].version if target.settings.node_ips else 4
    families = (wanted, 10 - wanted)
    # It takes what the node's name leads to only where that address is on this machine.
    own = [ip for item in interfaces for f in families for ip in _addresses(item, f)]
    named = _lookup(facts, target)
    for family in families:
        for ip in named:
            if ip.version == family and ip in own:
                return [Pick(KUBELET, ip, "the node's name leads to it")]
    found = chosen_by_route(interfaces, routes, families)
    return [Pick(KUBELET, found.address, found.why)]


def _lookup(facts: Facts, target: Target) -> tuple[IPAddress, ...]:
    if isinstance(facts.identity, Unknown) or isinstance(facts.identity.hostname_lookup, Unknown):
        return ()
    lookup = facts.identity.hostname_lookup
    name = target.settings.node_name or facts.identity.hostname
    return lookup.addresses if lookup.name.lower() == name.lower() else ()


def pod_network_pick(
    target: Target, interfaces: tuple[Interface, ...], routes: Iterable[Route], family: int
) -> Pick | None:
    """The address that tunnels between nodes start from; None where the product takes the
    kubelet's, or has none."""
    name = target.cluster.cni.name
    if name in ("flannel", "canal"):
        found = default_address(interfaces, routes, family)
        if found:
            return Pick("Flannel", found[0], f"the default route leads by {found[1]}")
    if name == "calico":
        for item in sorted(interfaces, key=lambda item: item.index):
            if not _CALICO_EXCLUDES.match(item.name):
                for ip in _addresses(item, family):
                    return Pick("Calico", ip, f"{item.name} is the first interface it finds")
    return None

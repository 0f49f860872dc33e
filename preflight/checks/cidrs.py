"""Pod and service ranges must be nobody else's on this machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import Judgement, check, failed, passed, skipped, undetermined
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.network import Interface, IPNetwork, Network, Route
from preflight.facts.model.uplinks import is_local_name, uplinks
from preflight.target import Phase, Target
from rules.record import record

CLASH = "https://kubernetes.io/docs/concepts/cluster-administration/networking/"
# An answer about a range names this many neighbours of it at most.
SHOWN = 5
# kube-proxy, the node's DNS cache and kube-router hold service addresses on purpose.
SERVICE_LINKS = frozenset({"kube-ipvs0", "nodelocaldns", "kube-dummy-if"})
# Of the local table these only repeat addresses; throw ends a look-up and sends nothing.
_NOT_A_WAY = frozenset({"local", "broadcast", "multicast", "anycast", "throw"})
# Routing programs of pod networks, as /etc/iproute2/rt_protos or their number:
# BIRD (Calico), Felix (80), Zebra and GoBGP (kube-router, 17).
_ROUTE_PROGRAMS = frozenset({"bird", "80", "zebra", "17"})


@record
class Clash:
    """What has a part of the range: ``text`` for the message, ``remedy`` for this one."""

    text: str
    remedy: str


@check(
    "pod-cidr-free",
    title="The pod range is free on this machine",
    why="Where another network of the machine has a part of the pod range, packets for those pods, "
    "or for that network, go the wrong way.",
    source=CLASH,
    applies="Every address, and the routes of every table. What the wanted pod network itself has "
    "laid down does not count.",
)
def pod_cidr_free(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each pod range."""
    cidrs = target.cluster.pod_subnets
    if not cidrs:
        yield skipped("no pod range is configured (networking.podSubnet)")
    for cidr in cidrs:
        yield _judge(facts, target, cidr, "pod", "networking.podSubnet")


@check(
    "service-cidr-free",
    title="The service range is free on this machine",
    why="Service addresses exist in packet filter rules only. Where another network of the machine "
    "has a part of the range, services hide its machines.",
    source=CLASH,
    applies="Every address, and the routes of every table, but those of kube-proxy, the DNS cache "
    "and the pod network.",
)
def service_cidr_free(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each service range."""
    for cidr in target.cluster.service_subnets:
        yield _judge(facts, target, cidr, "service", "networking.serviceSubnet")


def _judge(facts: Facts, target: Target, cidr: IPNetwork, word: str, key: str) -> Judgement:
    network = known(facts.network)
    interfaces = known(network.interfaces)
    own = _OwnLinks(target, interfaces, cidr)
    clashes = _address_clashes(interfaces, cidr, own)
    if not isinstance(network.routes, Unknown):
        taken = set(clashes)
        for route in network.routes:
            if _counts(route, cidr) and not own.has_route(route) and route.interface not in taken:
                clashes[f"{route.destination} {route.table}"] = _route_clash(route)
    if clashes:
        return _clashing(cidr, word, key, list(clashes.values()))
    if unread := _unread(network):
        return undetermined(
            f"no address is in the {word} range {cidr}, but not every route could be read: "
            f"{unread.message}",
            subject=str(cidr),
            remedy="install iproute2, then run nodeprep again" if unread.reason == "absent" else "",
        )
    return passed(f"no other network has a part of {cidr}", subject=str(cidr), observed=str(cidr))


def _unread(network: Network) -> Unknown | None:
    return network.routes if isinstance(network.routes, Unknown) else network.other_tables


def _clashing(cidr: IPNetwork, word: str, key: str, clashes: list[Clash]) -> Judgement:
    shown = [clash.text for clash in clashes[:SHOWN]]
    more = len(clashes) - len(shown)
    text = "; ".join(shown) + (f"; and {more} more" if more else "")
    remedy = clashes[0].remedy
    other = f"choose another {key}"
    return failed(
        f"the {word} range {cidr} is in use: {text}",
        subject=str(cidr),
        observed=text,
        expected=f"{cidr} in use by nothing else",
        remedy=f"{remedy}; or {other}"
        if remedy
        else f"{other}, such as one that overlaps none of those",
    )


class _OwnLinks:
    """What on this machine belongs to the wanted pod network, and so may have the range."""

    def __init__(self, target: Target, interfaces: tuple[Interface, ...], cidr: IPNetwork) -> None:
        profile, _ = scope.pod_network(target)
        self._names = {name for name in profile.links if not name.endswith("+")} | SERVICE_LINKS
        self._prefixes = tuple(name[:-1] for name in profile.links if name.endswith("+"))
        cards = {item.name for item in uplinks(interfaces)}
        # The ends of pods that hang on routes instead of a bridge.
        self._pod_ends = {
            item.name
            for item in interfaces
            if item.kind in ("veth", "netkit") and item.peer_elsewhere and item.name not in cards
        }
        self._nodes = {ip for node in target.cluster.nodes for ip in node.addresses}
        self._after = target.phase is Phase.AFTER
        bits = target.settings.node_subnet_bits
        self._cidr, self._node_bits = cidr, bits[0] if cidr.version == 4 else bits[1]

    def has(self, name: str) -> bool:
        """Whether the interface is the pod network's or a pod's."""
        if name in self._names or name in self._pod_ends:
            return True
        return bool(self._prefixes) and name.startswith(self._prefixes)

    def has_route(self, route: Route) -> bool:
        """Whether the pod network laid this route: to a pod, or to another node's pods."""
        if self.has(route.interface):
            return True
        if route.destination.prefixlen < self._cidr.prefixlen:
            return False
        if route.protocol in _ROUTE_PROGRAMS or route.gateway in self._nodes:
            return True
        # On a joined node: one node's share of the range, by way of that node.
        return (
            self._after
            and route.gateway is not None
            and route.destination.prefixlen >= self._node_bits
        )


def _address_clashes(
    interfaces: tuple[Interface, ...], cidr: IPNetwork, own: _OwnLinks
) -> dict[str, Clash]:
    clashes: dict[str, Clash] = {}
    for item in interfaces:
        if own.has(item.name) or item.loopback:
            continue
        for address in item.addresses:
            net = address.interface.network
            if net.version == cidr.version and not address.ip.is_link_local and net.overlaps(cidr):
                text = f"{item.name} has {address.interface}"
                clashes.setdefault(item.name, Clash(text, _free_link(item)))
    return clashes


def _counts(route: Route, cidr: IPNetwork) -> bool:
    destination = route.destination
    if route.type in _NOT_A_WAY or destination.version != cidr.version:
        return False
    # VPNs split the default route into halves, and 2000::/3 is the whole IPv6 internet.
    if destination.prefixlen <= (1 if destination.version == 4 else 3):
        return False
    return not destination.is_link_local and destination.overlaps(cidr)


def _route_clash(route: Route) -> Clash:
    kind = "" if route.type == "unicast" else f"{route.type} "
    via = f" via {route.gateway}" if route.gateway else ""
    by = f" by {route.interface}" if route.interface else ""
    text = f"{kind}route {route.destination}{via}{by} in table {route.table}"
    if is_local_name(route.interface):
        return Clash(text, _free_name(route.interface))
    table = "" if route.table == "main" else f" table {shlex.quote(route.table)}"
    ip = f"ip -{route.destination.version} route del {kind}{route.destination}{table}"
    return Clash(text, f"if nothing needs that route: {ip}")


def _free_link(item: Interface) -> str:
    return _free_name(item.name) if is_local_name(item.name) or item.kind == "bridge" else ""


def _free_name(name: str) -> str:
    """How to give back the range of a bridge or tunnel of this machine."""
    if name == "docker0":
        return (
            'set "bip" in /etc/docker/daemon.json to another range, then: systemctl restart docker'
        )
    if re.fullmatch(r"br-[0-9a-f]{12}", name):
        return f"docker network rm {name[3:]}"
    if re.fullmatch(r"(cni-)?podman\d+", name):
        return "give Podman's network another subnet: podman network inspect podman"
    if name.startswith("virbr"):
        return "virsh net-destroy default && virsh net-autostart --disable default"
    return f"if it is a leftover: ip link delete {shlex.quote(name)}"

"""What each pod network product wants of a node beside modules, ports and MTU.

Those three have checks of their own (kernel-modules, port-free, mtu-fits); nothing is said twice.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from ipaddress import ip_network

from preflight.checks.registry import Judgement, check, failed, passed, skipped, warned
from preflight.checks.scope import is_node, pod_network
from preflight.cni import products
from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.network import Interface
from preflight.target import Phase, Target
from rules.cluster import IPNetwork
from rules.cnis import Mode, Profile

# https://docs.cilium.io/en/stable/operations/system_requirements/: 5.10 since 1.18, 5.4 since 1.16;
# RHEL 8.6 and later bring what is needed back to 4.18.
CILIUM_KERNEL, CILIUM_NEWER_KERNEL, RHEL8_KERNEL = (5, 4), (5, 10), (4, 18)
_RHEL = frozenset({"rhel", "centos", "rocky", "almalinux", "ol"})
# Weave's IPALLOC_RANGE where none is given.
WEAVE_RANGE = ip_network("10.32.0.0/12")
_KERNEL = re.compile(r"(\d+)\.(\d+)")
Need = Callable[[Facts, Target, Profile, Mode], Iterator[Judgement]]


@check(
    "cni-product-ready",
    title="The node suits the pod network product",
    why="Products keep state, interfaces and files of their own on a node: those of an earlier "
    "cluster or of another product get in the way, and those that are missing tell that its agent "
    "has not come up.",
    source="https://kubernetes.io/docs/concepts/cluster-administration/addons/",
)
def cni_product_ready(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each fault (subject: the product), else one pass."""
    if not is_node(facts, target):
        return
    profile, mode = pod_network(target)
    if profile.system != "linux":
        yield skipped(f"{profile.title} is for {profile.system}", subject=profile.name)
        return
    judgements = [
        judgement
        for need in (_foreign_links, *_NEEDS.get(profile.name, ()), _agent_links)
        for judgement in need(facts, target, profile, mode)
    ]
    yield from judgements
    if not judgements:
        yield passed(_summary(profile, mode, target), subject=profile.name)


def _summary(profile: Profile, mode: Mode, target: Target) -> str:
    family = 6 if target.cluster.families == (6,) else 4
    overhead = mode.overhead(family)
    # How pods' packets travel; all ports of the product are port-free's and the firewall's.
    ports = sorted({flow.label for flow in mode.flows if not flow.local and not flow.optional})
    parts = [f"{profile.title}, {mode.title}" if len(profile.modes) > 1 else profile.title]
    if ports:
        parts.append(f"needs {', '.join(ports)} between nodes")
    if overhead:
        parts.append(f"takes {overhead} bytes of each packet")
    parts.append("nothing of another product is in the way")
    return "; ".join(parts)


def _interfaces(facts: Facts) -> tuple[Interface, ...]:
    return () if isinstance(facts.network, Unknown) else known_or(facts.network.interfaces, ())


def _foreign_links(
    facts: Facts, target: Target, profile: Profile, mode: Mode
) -> Iterator[Judgement]:
    """Interfaces of another product: their routes and rules still act."""
    found: dict[str, list[str]] = {}
    for interface in _interfaces(facts):
        owner = products.owner_of_link(interface.name)
        if (
            owner
            and not products.compatible(owner, profile)
            and interface.name not in profile.links
        ):
            found.setdefault(owner, []).append(interface.name)
    for owner, names in sorted(found.items()):
        # Deleting the far end of a pod's interface deletes both.
        remedy = " && ".join(f"ip link delete {shlex.quote(name)}" for name in sorted(names))
        yield warned(
            f"{', '.join(sorted(names))} of {owner} {'are' if len(names) > 1 else 'is'} still "
            f"here, and its routes and rules act beside those of {profile.title}",
            subject=profile.name,
            observed=", ".join(sorted(names)),
            expected=f"no interface of {owner}",
            remedy=remedy,
        )


# The interface that shows that the agent of a product works, by product and mode.
_AGENT_LINKS = {
    ("flannel", "vxlan"): "flannel.1",
    ("flannel", "wireguard"): "flannel-wg",
    ("canal", "vxlan"): "flannel.1",
    ("calico", "vxlan"): "vxlan.calico",
    ("calico", "vxlan-crosssubnet"): "vxlan.calico",
    ("calico", "ipip"): "tunl0",
    ("calico", "ipip-crosssubnet"): "tunl0",
    ("calico", "wireguard"): "wireguard.cali",
    ("cilium", ""): "cilium_host",
    ("weave", ""): "weave",
    ("antrea", ""): "antrea-gw0",
    ("kube-router", ""): products.KUBE_ROUTER_BRIDGE,
    ("kube-ovn", ""): "ovn0",
}
_AGENT_LINKS_V6 = {
    "flannel.1": "flannel-v6.1",
    "flannel-wg": "flannel-wg-v6",
    "vxlan.calico": "vxlan-v6.calico",
}


def _agent_links(facts: Facts, target: Target, profile: Profile, mode: Mode) -> Iterator[Judgement]:
    if target.phase is not Phase.AFTER:
        return
    name = _AGENT_LINKS.get((profile.name, mode.name)) or _AGENT_LINKS.get((profile.name, ""))
    if name is None:
        return
    if target.cluster.families == (6,):
        name = _AGENT_LINKS_V6.get(name, name)
    if any(item.name == name for item in known(known(facts.network).interfaces)):
        return
    yield failed(
        f"there is no {name}: the agent of {profile.title} has not come up on this node",
        subject=profile.name,
        observed="absent",
        expected=name,
        remedy="see what its pod on this node says: kubectl -n kube-system get pods -o wide",
    )


def _traces(facts: Facts) -> dict[str, str]:
    return known(known(facts.cni).traces)


def _flannel(facts: Facts, target: Target, profile: Profile, mode: Mode) -> Iterator[Judgement]:
    text = _traces(facts).get(products.FLANNEL_SUBNET)
    if text is None:
        if target.phase is Phase.AFTER:
            yield failed(
                f"{products.FLANNEL_SUBNET} is not there: flanneld has not got its range",
                subject=profile.name,
                observed="absent",
                expected=products.FLANNEL_SUBNET,
                remedy="see what it says: kubectl -n kube-flannel logs ds/kube-flannel-ds",
            )
        return
    said = products.parse_subnet_env(text)
    networks = [
        network
        for key in ("FLANNEL_NETWORK", "FLANNEL_IPV6_NETWORK")
        for word in said.get(key, "").split(",")
        if (network := _network(word)) is not None
    ]
    cluster = target.cluster.pod_subnets
    wrong = [item for item in networks if cluster and item not in cluster]
    if wrong:
        yield _flannel_range(wrong[0], target, profile)


def _flannel_range(wrong: IPNetwork, target: Target, profile: Profile) -> Judgement:
    """Flannel's network is not the cluster's: left over before kubeadm, misconfigured after."""
    what = f"{products.FLANNEL_SUBNET} has the network {wrong}"
    ours = ", ".join(map(str, target.cluster.pod_subnets))
    if target.phase is Phase.BEFORE:
        return warned(
            f"{what} of an earlier cluster, and this one's pod range is {ours}",
            subject=profile.name,
            observed=str(wrong),
            expected=ours,
            remedy=f"rm {products.FLANNEL_SUBNET}",
        )
    return failed(
        f"{what}, and the cluster's pod range is {ours}",
        subject=profile.name,
        observed=str(wrong),
        expected=ours,
        remedy=f"set Network in the ConfigMap kube-flannel-cfg to {ours}, then: kubectl -n "
        "kube-flannel rollout restart ds/kube-flannel-ds",
    )


def _network(text: str) -> IPNetwork | None:
    try:
        return ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _calico(facts: Facts, target: Target, profile: Profile, mode: Mode) -> Iterator[Judgement]:
    traces = _traces(facts)
    stale = traces.get(products.CALICO_NODENAME, "")
    name = target.settings.node_name or (
        "" if isinstance(facts.identity, Unknown) else facts.identity.hostname
    )
    if stale and name and stale != name:
        yield warned(
            f"{products.CALICO_NODENAME} names this node {stale!r}, and it is {name!r}: pods that "
            "start before calico-node go to another node's block",
            subject=profile.name,
            observed=stale,
            expected=name,
            remedy=f"rm {products.CALICO_NODENAME}",
        )
    if products.NETWORK_MANAGER_RUN in traces and not any(
        "cali" in said for path, said in traces.items() if "/NetworkManager/conf.d/" in path
    ):
        file = f"{products.NETWORK_MANAGER_DIRS[0]}/calico.conf"
        unmanaged = "interface-name:cali*;interface-name:tunl*;interface-name:vxlan.calico"
        yield warned(
            "NetworkManager runs and is not told to leave Calico's interfaces alone: it takes "
            "their routes away",
            subject=profile.name,
            observed="managed",
            expected=f"{file} with unmanaged-devices",
            remedy=f"printf '[keyfile]\\nunmanaged-devices={unmanaged};"
            "interface-name:vxlan-v6.calico;interface-name:wireguard.cali;"
            f"interface-name:wg-v6.cali\\n' > {file} && systemctl reload NetworkManager",
        )


def _cilium(facts: Facts, target: Target, profile: Profile, mode: Mode) -> Iterator[Judgement]:
    system = known(facts.system)
    match = _KERNEL.match(system.kernel_release)
    if match is None:
        return
    kernel = (int(match[1]), int(match[2]))
    if system.os_id in _RHEL and kernel >= RHEL8_KERNEL:
        return
    if kernel < CILIUM_KERNEL:
        yield failed(
            f"kernel {system.kernel_release}, and Cilium needs 5.4 (5.10 from Cilium 1.18 on)",
            subject=profile.name,
            observed=system.kernel_release,
            expected=">= 5.10",
            remedy="install a newer kernel of this distribution, then start the machine again",
        )
    elif kernel < CILIUM_NEWER_KERNEL:
        yield warned(
            f"kernel {system.kernel_release}, and Cilium 1.18 and later need 5.10",
            subject=profile.name,
            observed=system.kernel_release,
            expected=">= 5.10",
            remedy="install a newer kernel of this distribution, or Cilium 1.17",
        )


def _weave(facts: Facts, target: Target, profile: Profile, mode: Mode) -> Iterator[Judgement]:
    """Weave has a range of its own; its launcher refuses to start where a route overlaps it."""
    if target.cluster.pod_subnets:
        return
    for route in known(known(facts.network).routes):
        clash = route.destination.version == 4 and route.destination.overlaps(WEAVE_RANGE)
        if clash and route.destination.prefixlen > 0 and route.interface != "weave":
            yield failed(
                f"the route to {route.destination} by {route.interface or route.type} overlaps "
                f"Weave's own range {WEAVE_RANGE}, and Weave refuses to start",
                subject=profile.name,
                observed=str(route.destination),
                expected=f"no route into {WEAVE_RANGE}",
                remedy="give Weave another range: set IPALLOC_RANGE in its DaemonSet, and "
                "networking.podSubnet to the same",
            )
            return


def _nsx(facts: Facts, target: Target, profile: Profile, mode: Mode) -> Iterator[Judgement]:
    system = known(facts.system)
    if system.os_id == "ubuntu" and products.APPARMOR_DIR not in _traces(facts):
        yield failed(
            f"{products.APPARMOR_DIR} is not there, and the bootstrap of NSX NCP on Ubuntu writes "
            "its AppArmor profile to it",
            subject=profile.name,
            observed="absent",
            expected=products.APPARMOR_DIR,
            remedy="apt-get install -y apparmor",
        )


def _docker(facts: Facts, target: Target, profile: Profile, mode: Mode) -> Iterator[Judgement]:
    yield warned(
        "Docker's own networks (CNM) carry no pods: kubelets connect pods by CNI alone",
        subject=profile.name,
        observed="CNM",
        expected="CNI",
        remedy="choose a CNI for the pods: --cni flannel, say; Docker's ports are judged as asked",
    )


def _dhcp(facts: Facts, target: Target, profile: Profile, mode: Mode) -> Iterator[Judgement]:
    if products.DHCP_SOCKET not in _traces(facts):
        yield failed(
            f"{products.DHCP_SOCKET} is not there: the dhcp plugin asks its daemon, which does "
            "not run",
            subject=profile.name,
            observed="absent",
            expected=products.DHCP_SOCKET,
            remedy="systemctl enable --now cni-dhcp.socket",
        )


_NEEDS: dict[str, tuple[Need, ...]] = {
    "flannel": (_flannel,),
    "canal": (_flannel, _calico),
    "calico": (_calico,),
    "cilium": (_cilium,),
    "weave": (_weave,),
    "nsx-ncp": (_nsx,),
    "docker-overlay": (_docker,),
    "dhcp": (_dhcp,),
}

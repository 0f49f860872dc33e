"""Which interfaces join this machine to others, and which only serve what runs on it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from preflight.facts.model.network import Address, Interface

# What stands on other interfaces and counts as one of them.
OVER_ONE = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"})
OVER_PORTS = frozenset({"bond", "team", "bridge", "failover"})
# In a container or a test namespace the way out has no hardware; "" is venet0 and the like.
WITHOUT_HARDWARE = frozenset({"", "veth", "macvlan", "ipvlan", "tun", "netkit"})
# Bridges, tunnels and pod ends as Docker, Podman, libvirt, LXC and the pod networks name them.
_LOCAL_NAME = re.compile(
    r"docker\d+|br-[0-9a-f]{12}|docker_gwbridge|(cni-)?podman\d+|virbr\d+(-nic)?|lxcbr\d+|lxdbr\d+"
    r"|incusbr\d+|cni\d+|cbr0|kube-bridge|kube-dummy-if|kube-ipvs0|nodelocaldns|cali.+|tunl0"
    r"|vxlan(-v6)?\.calico|wireguard\.cali|wg-v6\.cali|flannel.*|cilium_.+|lxc[0-9a-f]{8,}|lxc_health"
    r"|veth[0-9a-f]{6,}|weave|vethwe.+|vxlan-\d+|antrea-.+|genev_sys_\d+|vxlan_sys_\d+|ovn.+"
    r"|azv[0-9a-f]+|gke[0-9a-f]+|eni[0-9a-f]{11}|nodeprep.*"
)


def is_local_name(name: str) -> bool:
    """Whether a container engine or a pod network gives this name to an interface of its own."""
    return _LOCAL_NAME.fullmatch(name) is not None


def uplinks(interfaces: Iterable[Interface]) -> tuple[Interface, ...]:
    """The interfaces that can lead to other machines, by index.

    Cards, and the bonds, teams, bridges and VLANs on top of them; the ports of those too (see
    ``is_port``). Where nothing has hardware at all, what a container gets in its place.
    """
    every = sorted(interfaces, key=lambda item: item.index)
    found = {item.name for item in every if item.hardware and not item.loopback}
    if not found:
        found = {item.name for item in every if _stands_for_card(item)}
    while more := {item.name for item in every if _stands_on(item, every, found)} - found:
        found |= more
    return tuple(item for item in every if item.name in found)


def _stands_for_card(item: Interface) -> bool:
    if item.loopback or item.kind not in WITHOUT_HARDWARE or is_local_name(item.name):
        return False
    if item.kind == "veth":
        return item.peer_elsewhere
    return not item.parent


def _stands_on(item: Interface, every: list[Interface], found: set[str]) -> bool:
    if item.kind in OVER_ONE:
        return item.parent in found
    if is_local_name(item.name):
        return False
    if item.kind in OVER_PORTS:
        return any(port.port_of == item.name and port.name in found for port in every)
    if item.kind == "openvswitch" and item.addresses:
        # Every port of every Open vSwitch bridge has ovs-system as its master.
        switches = {other.name for other in every if other.kind == "openvswitch"}
        return any(port.port_of in switches and port.name in found for port in every)
    return False


def is_port(item: Interface, interfaces: Iterable[Interface]) -> bool:
    """Whether its packets belong to a bond, bridge or team. A member of a VRF keeps its own."""
    if not item.port_of:
        return False
    return all(other.kind != "vrf" for other in interfaces if other.name == item.port_of)


def is_usable(address: Address) -> bool:
    """Whether other machines can reach it: link-local and loopback do not count, nor one that
    duplicate address detection took away."""
    ip = address.ip
    return not (
        ip.is_loopback
        or ip.is_link_local
        or ip.is_multicast
        or ip.is_unspecified
        or address.scope == "host"
        or "dadfailed" in address.flags
    )


def usable_addresses(item: Interface) -> tuple[Address, ...]:
    """Its addresses that other machines can reach, in the kernel's order."""
    return tuple(address for address in item.addresses if is_usable(address))

"""What pod network products keep on a node, beside the profile of ``rules.cnis``. Pure.

Profiles say what a product needs and lays down; here is how its traces are told from another's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preflight.cni.spec import NetworkConfig, delegate

if TYPE_CHECKING:
    from rules.cnis.profile import Profile

# The type of a plugin in the chain -> whose network it is.
_BY_TYPE = {
    "cilium-cni": "cilium",
    "flannel": "flannel",
    "calico": "calico",
    "weave-net": "weave",
    "antrea": "antrea",
    "nsx": "nsx-ncp",
    "kube-ovn": "kube-ovn",
    "aws-cni": "aws-vpc",
    "azure-vnet": "azure",
    "multus": "multus",
}
# Podman, nerdctl and Docker's test scripts put their own networks beside those of pods.
PODMAN = "podman"
PODMAN_BRIDGE = "cni-podman"
KUBE_ROUTER_BRIDGE = "kube-bridge"
# Products that are made of others, or that others are put in front of.
_PARTS = {"canal": {"canal", "calico", "flannel"}}
# A product whose file holds another network of the cluster's choice.
WRAPPERS = frozenset({"multus"})

# The plugins that the product's own pods put on the node, beside those of its own name.
# Flannel's bring none of the reference plugins, although its network is made of them; kube-router:
# https://github.com/cloudnativelabs/kube-router/blob/master/build/image-assets/cni-install
_BRINGS: dict[str, frozenset[str]] = {
    "flannel": frozenset({"flannel"}),
    "kube-router": frozenset({"bridge", "portmap", "host-local", "loopback"}),
    "cilium": frozenset({"cilium-cni", "loopback"}),
    "weave": frozenset({"weave-net", "weave-ipam"}),
    "nsx-ncp": frozenset({"nsx"}),
    "infoblox": frozenset({"infoblox"}),
    "kindnet": frozenset(),
}
# Plugins of which the operator's own configuration takes one or the other.
_OPTIONAL: dict[str, frozenset[str]] = {
    "infoblox": frozenset({"macvlan", "bridge"}),
    "dhcp": frozenset({"macvlan", "bridge"}),
}

# Interfaces by name, or by the start of it where a * ends it -> the product that makes them.
LINKS: dict[str, str] = {
    "flannel.1": "flannel",
    "flannel-v6.1": "flannel",
    "flannel-wg": "flannel",
    "flannel-wg-v6": "flannel",
    "flannel0": "flannel",
    "vxlan.calico": "calico",
    "vxlan-v6.calico": "calico",
    "wireguard.cali": "calico",
    "cali*": "calico",
    "cilium_host": "cilium",
    "cilium_net": "cilium",
    "cilium_vxlan": "cilium",
    "cilium_geneve": "cilium",
    "cilium_wg0": "cilium",
    "weave": "weave",
    "vxlan-6784": "weave",
    "antrea-gw0": "antrea",
    "antrea-tun0": "antrea",
    "kube-bridge": "kube-router",
    "ovn0": "kube-ovn",
}

FLANNEL_SUBNET = "/run/flannel/subnet.env"
CALICO_NODENAME = "/var/lib/calico/nodename"
APPARMOR_DIR = "/etc/apparmor.d"
NETWORK_MANAGER_RUN = "/run/NetworkManager"
DHCP_SOCKET = "/run/cni/dhcp.sock"
NETWORK_MANAGER_DIRS = ("/etc/NetworkManager/conf.d", "/usr/lib/NetworkManager/conf.d")


def trace_paths() -> tuple[str, ...]:
    """The paths that tell something of a product on a node."""
    return (
        FLANNEL_SUBNET,
        CALICO_NODENAME,
        APPARMOR_DIR,
        NETWORK_MANAGER_RUN,
        DHCP_SOCKET,
    )


def product_of(network: NetworkConfig) -> str:
    """Whose network a configuration is: a name of ``rules.cnis``, ``podman``, or its first type."""
    for kind in network.types:
        if kind in _BY_TYPE:
            return _BY_TYPE[kind]
    if "infoblox" in network.types:
        return "infoblox"
    first = network.plugins[0]
    bridge = str(first.get("bridge", ""))
    if network.name == PODMAN or bridge.startswith(PODMAN_BRIDGE):
        return PODMAN
    if first["type"] == "bridge" and bridge == KUBE_ROUTER_BRIDGE:
        return "kube-router"
    if network.name == "kindnet":
        return "kindnet"
    return str(first["type"])


def belongs(network: NetworkConfig, profile: Profile) -> bool:
    """Whether a configuration is one of the wanted product's."""
    owner = product_of(network)
    if profile.name == "dhcp":
        return "dhcp" in network.types
    if owner in WRAPPERS or owner in _PARTS.get(profile.name, {profile.name}):
        return True
    # A product that is not told by its plugin's type: by the names that it gives its files.
    known = {*_BY_TYPE.values(), PODMAN, "infoblox", "kube-router", "kindnet"}
    return network.path.rpartition("/")[2] in profile.conf_files and owner not in known


def made_of_reference_plugins(profile: Profile) -> bool:
    """Whether the network is a reference plugin, that nobody but the operator installs."""
    # Imported here: the reader of facts needs the paths of this module and no schema.
    from preflight.cni.schema import REFERENCE

    return profile.name in REFERENCE


def needed_beforehand(profile: Profile) -> tuple[str, ...]:
    """The plugins that must be on the node before the product's own pods come."""
    from preflight.cni.schema import REFERENCE

    others = _OPTIONAL.get(profile.name, frozenset())
    if not made_of_reference_plugins(profile):
        others = others | _BRINGS.get(profile.name, frozenset(profile.binaries))
    return tuple(kind for kind in profile.binaries if kind in REFERENCE and kind not in others)


def brought(profile: Profile) -> tuple[str, ...]:
    """The plugins of a network that its own pods install."""
    others = {*needed_beforehand(profile), *_OPTIONAL.get(profile.name, ())}
    return tuple(kind for kind in profile.binaries if kind not in others)


def owner_of_link(name: str) -> str:
    """The product that makes an interface of this name; empty for every other interface."""
    if name in LINKS:
        return LINKS[name]
    for pattern, product in LINKS.items():
        if pattern.endswith("*") and name.startswith(pattern[:-1]):
            return product
    return ""


def compatible(product: str, profile: Profile) -> bool:
    """Whether traces of ``product`` belong on a node of the wanted network."""
    return product in _PARTS.get(profile.name, {profile.name})


def parse_subnet_env(text: str) -> dict[str, str]:
    """/run/flannel/subnet.env: ``FLANNEL_NETWORK=10.244.0.0/16`` and the like."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def bridges(network: NetworkConfig) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The bridges of a chain, each with the plugin object that makes it."""
    from preflight.cni.schema import BRIDGE_DEFAULT_NAME

    found = []
    for plugin in network.plugins:
        for body in (plugin, delegate(plugin)):
            if body.get("type") == "bridge":
                name = body.get("bridge")
                found.append(
                    (name if isinstance(name, str) and name else BRIDGE_DEFAULT_NAME, body)
                )
    return tuple(found)

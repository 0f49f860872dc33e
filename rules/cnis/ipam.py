"""Networks whose addresses come from outside the cluster: the dhcp plugin, Infoblox."""

from __future__ import annotations

from rules.cnis.profile import Elsewhere, Mode, Profile, Transport

_MODES = (
    Mode("macvlan", "pods on the node's link", transport=Transport.LINK, modules=("macvlan",)),
    Mode(
        "bridge",
        "pods on a kernel bridge that the node's link is a port of",
        transport=Transport.LINK,
        modules=("bridge", "veth", "br_netfilter"),
        linux_bridge=True,
    ),
)


def profiles() -> tuple[Profile, ...]:
    """The dhcp plugin and Infoblox."""
    return (_dhcp(), _infoblox())


def _dhcp() -> Profile:
    return Profile(
        "dhcp",
        "dhcp address plugin",
        _MODES,
        "https://www.cni.dev/plugins/current/ipam/dhcp/",
        elsewhere=(
            Elsewhere("67/udp", "pods, by broadcast", "DHCP server or relay", "leases of pods"),
            Elsewhere("68/udp", "DHCP server or relay", "pods", "leases of pods"),
        ),
        binaries=("dhcp", "macvlan", "bridge", "loopback"),
        ipam="dhcp",
        files=("/run/cni/dhcp.sock",),
        ipv6=False,
        notes=(
            "A daemon (dhcp daemon, on /run/cni/dhcp.sock) must run before the first pod starts.",
            "The questions leave from the pod's own interface: the host's filter does not see "
            "them, while a switch's DHCP snooping does. IPv4 only.",
        ),
    )


def _infoblox() -> Profile:
    return Profile(
        "infoblox",
        "Infoblox address plugin",
        _MODES,
        "https://github.com/infobloxopen/cni-infoblox",
        elsewhere=(
            Elsewhere("443/tcp", "nodes", "Grid Master", "WAPI: asks for and gives back addresses"),
            Elsewhere("53/tcp, 53/udp", "nodes and pods", "Grid members", "DNS"),
            Elsewhere("67/udp, 68/udp", "nodes and pods", "Grid members", "DHCP"),
            Elsewhere("647/tcp", "Grid members", "Grid members", "DHCP failover"),
            Elsewhere(
                "1194/udp, 2114/udp",
                "Grid members",
                "Grid members",
                "Grid VPN and its key exchange",
            ),
        ),
        conf_files=("infoblox-ipam.conf",),
        binaries=("infoblox", "macvlan", "bridge", "loopback"),
        ipam="infoblox, through a daemon's socket",
        files=("/run/cni/infoblox.sock",),
        ipv6=False,
        notes=(
            "It gives addresses and carries nothing: between nodes there are only the pods' own "
            "packets. The name of its conf file comes from its ConfigMap.",
        ),
    )

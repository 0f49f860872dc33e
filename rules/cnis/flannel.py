"""Flannel, and Canal, which is Flannel's transport with Calico's policy."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile
from rules.cnis.rows import V4, V6, carried, port
from rules.flows import Flow, Protocol

_BACKENDS = "https://github.com/flannel-io/flannel/blob/master/Documentation/backends.md"
_RKE2 = "https://docs.rke2.io/install/requirements"


def profiles() -> tuple[Profile, ...]:
    """Flannel and Canal."""
    return (_flannel(),)


def _vxlan(port_number: int) -> Flow:
    return port(
        "flannel-vxlan" if port_number == 8472 else "flannel-vxlan-4789",
        "flannel",
        Protocol.UDP,
        port_number,
        "VXLAN: pod packets between nodes",
        _BACKENDS,
    )


def _wireguard() -> tuple[Flow, ...]:
    return (
        port(
            "flannel-wireguard-v4",
            "flannel",
            Protocol.UDP,
            51820,
            "WireGuard over IPv4: pod packets between nodes, encrypted",
            _BACKENDS,
            families=V4,
        ),
        port(
            "flannel-wireguard-v6",
            "flannel",
            Protocol.UDP,
            51821,
            "WireGuard over IPv6: pod packets between nodes, encrypted",
            _BACKENDS,
            families=V6,
        ),
    )


def _ipsec() -> tuple[Flow, ...]:
    return (
        port("flannel-ike", "flannel", Protocol.UDP, 500, "IKE key exchange", _BACKENDS,
             process="charon"),
        port("flannel-ike-nat", "flannel", Protocol.UDP, 4500, "IKE and ESP through NAT",
             _BACKENDS, process="charon"),
        carried("flannel-esp", "flannel", Protocol.ESP,
                "pod packets between nodes, encrypted", _BACKENDS),
    )  # fmt: skip


def _flannel() -> Profile:
    return Profile(
        "flannel",
        "Flannel",
        (
            Mode("vxlan", "VXLAN, the default on Linux", (_vxlan(8472),), 50, 70,
                 modules=("vxlan",), kernel_options=("VXLAN",)),
            Mode("vxlan-4789", "VXLAN on IANA's port: with Windows nodes, and as RKE2 packs it",
                 (_vxlan(4789),), 50, 70, modules=("vxlan",), kernel_options=("VXLAN",),
                 aliases=("windows", "rke2"), source=_RKE2),
            Mode("host-gw", "routes, all nodes on one link", routed=True),
            Mode("wireguard", "WireGuard", _wireguard(), 80, 80,
                 modules=("wireguard",), kernel_options=("WIREGUARD",)),
            Mode("udp", "in user space, for debugging",
                 (port("flannel-udp", "flannel", Protocol.UDP, 8285,
                       "pod packets between nodes", _BACKENDS, process="flanneld",
                       families=V4),),
                 28, None, modules=("tun",), kernel_options=("TUN",)),
            Mode("ipsec", "IPsec by strongSwan", _ipsec(), 77, None),
        ),
        _BACKENDS,
        linux_bridge=True,
        modules=("bridge", "veth", "br_netfilter"),
        kernel_options=("BRIDGE", "VETH", "BRIDGE_NETFILTER"),
        sysctls=(("net.ipv4.ip_forward", "1"),),
        conf_files=("10-flannel.conflist",),
        binaries=("flannel", "bridge", "host-local", "loopback", "portmap"),
        ipam="host-local, by delegation from /run/flannel/subnet.env",
        files=("/run/flannel/subnet.env",),
        links=("flannel.1", "flannel-v6.1", "flannel-wg", "cni0"),
    )  # fmt: skip

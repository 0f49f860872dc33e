"""Flannel, and Canal, which is Flannel's transport with Calico's policy."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile, Transport
from rules.cnis.rows import V4, Rows

_BACKENDS = "https://github.com/flannel-io/flannel/blob/master/Documentation/backends.md"
_RKE2 = "https://docs.rke2.io/install/requirements"
_CANAL = (
    "https://docs.tigera.io/calico/latest/getting-started/kubernetes/flannel/install-for-flannel"
)
_VXLAN = "VXLAN: pod packets between nodes"


def profiles() -> tuple[Profile, ...]:
    """Flannel and Canal."""
    return (_flannel(), _canal())


def _flannel() -> Profile:
    rows = Rows("flannel", _BACKENDS)
    return Profile(
        "flannel",
        "Flannel",
        (
            Mode(
                "vxlan",
                "VXLAN, the default",
                (rows.udp("vxlan", 8472, _VXLAN),),
                50,
                70,
                modules=("vxlan",),
                notes=("Windows nodes and RKE2 use port 4789: vxlan-4789.",),
            ),
            Mode(
                "vxlan-4789",
                "VXLAN on IANA's port: with Windows nodes (VNI 4096 or more), and in RKE2",
                (rows.udp("vxlan-4789", 4789, _VXLAN, source=_RKE2),),
                50,
                70,
                modules=("vxlan",),
                aliases=("windows", "vxlan-windows", "rke2"),
                source=_RKE2,
            ),
            Mode(
                "host-gw",
                "routes, with all nodes on one link",
                transport=Transport.ROUTED,
                aliases=("hostgw",),
            ),
            Mode("wireguard", "WireGuard", rows.wireguard(), 80, 80, modules=("wireguard",)),
            Mode(
                "udp",
                "packets copied through a program, for debugging",
                (
                    rows.udp(
                        "udp", 8285, "pod packets between nodes, in UDP", "flanneld", families=V4
                    ),
                ),
                28,
                None,
                modules=("tun",),
            ),
            Mode(
                "ipsec",
                "IPsec by strongSwan",
                rows.ipsec(),
                77,
                None,
                modules=("esp4", "xfrm_user"),
                notes=("Behind address translation 8 bytes more are needed.",),
            ),
        ),
        _BACKENDS,
        default_mode="vxlan",
        linux_bridge=True,
        modules=("bridge", "veth", "br_netfilter"),
        sysctls=(("net.ipv4.ip_forward", "1"),),
        conf_files=("10-flannel.conflist",),
        binaries=("flannel", "bridge", "host-local", "portmap", "loopback"),
        ipam="host-local, by delegation",
        files=("/run/flannel/subnet.env",),
        links=("flannel.1", "flannel-v6.1", "flannel-wg", "flannel-wg-v6", "flannel0", "cni0"),
        notes=(
            "Its own image installs the flannel plugin and none of the reference plugins that it "
            "calls.",
        ),
    )


def _canal() -> Profile:
    rows = Rows("canal", _CANAL)
    return Profile(
        "canal",
        "Canal",
        (
            Mode(
                "vxlan",
                "Flannel's VXLAN",
                (rows.udp("vxlan", 8472, _VXLAN),),
                50,
                70,
                modules=("vxlan",),
            ),
            Mode(
                "wireguard",
                "WireGuard",
                rows.wireguard(),
                60,
                80,
                modules=("wireguard",),
                notes=(
                    "Where it is Flannel's backend, Flannel takes 80 bytes over IPv4 too: then set "
                    "the pods' MTU by hand.",
                ),
            ),
        ),
        _CANAL,
        default_mode="vxlan",
        flows=(
            rows.own("felix-health", 9099, "Felix's health", "calico-node"),
            rows.metrics("felix-metrics", 9091, "calico-node", when="Felix serves metrics"),
        ),
        modules=("ip_set", "xt_set"),
        rp_filter=(0, 1),
        conf_files=("10-canal.conflist",),
        binaries=("calico", "flannel", "host-local", "portmap", "bandwidth", "loopback"),
        ipam="host-local, with the node's pod range",
        files=("/etc/cni/net.d/calico-kubeconfig", "/run/flannel/subnet.env"),
        links=("flannel.1", "cali*"),
    )

"""Calico."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile
from rules.cnis.rows import V4, V6, carried, own, port
from rules.flows import FROM_NODES, MASTERS, Flow, Protocol

_REQUIREMENTS = "https://docs.tigera.io/calico/latest/getting-started/kubernetes/requirements"


def profiles() -> tuple[Profile, ...]:
    """Calico."""
    return (_calico(),)


def _bgp() -> Flow:
    return port("calico-bgp", "calico", Protocol.TCP, 179, "BGP: routes between nodes",
                _REQUIREMENTS, process="bird")  # fmt: skip


def _calico() -> Profile:
    vxlan = port("calico-vxlan", "calico", Protocol.UDP, 4789,
                 "VXLAN: pod packets between nodes", _REQUIREMENTS)  # fmt: skip
    ipip = carried("calico-ipip", "calico", Protocol.IPIP, "IP in IP: pod packets between nodes",
                   _REQUIREMENTS, families=V4)  # fmt: skip
    wireguard = (
        port("calico-wireguard-v4", "calico", Protocol.UDP, 51820, "WireGuard over IPv4",
             _REQUIREMENTS, families=V4),
        port("calico-wireguard-v6", "calico", Protocol.UDP, 51821, "WireGuard over IPv6",
             _REQUIREMENTS, families=V6),
    )  # fmt: skip
    return Profile(
        "calico",
        "Calico",
        (
            Mode("ipip", "IP in IP, routes by BGP", (ipip, _bgp()), 20, None, modules=("ipip",)),
            Mode("vxlan", "VXLAN", (vxlan,), 50, 70, modules=("vxlan",)),
            Mode("bgp", "routes by BGP", (_bgp(),), routed=True),
            Mode("wireguard", "WireGuard", wireguard, 60, 80, modules=("wireguard",)),
        ),
        _REQUIREMENTS,
        flows=(
            port("calico-typha", "calico", Protocol.TCP, 5473, "Felix to Typha", _REQUIREMENTS,
                 process="calico-typha", roles=MASTERS, sources=FROM_NODES),
            own("calico-felix-health", "calico", 9099, "Felix's health", _REQUIREMENTS,
                process="calico-node"),
        ),
        modules=("ip_set", "xt_set"),
        conf_files=("10-calico.conflist",),
        binaries=("calico", "calico-ipam", "portmap", "bandwidth", "loopback"),
        ipam="calico-ipam",
    )  # fmt: skip

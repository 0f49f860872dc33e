"""The reference plugins of Windows nodes."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile, Transport
from rules.cnis.rows import V4, Rows

_DOCS = "https://www.cni.dev/plugins/current/main"


def profiles() -> tuple[Profile, ...]:
    """win-bridge and win-overlay."""
    return (_win_bridge(), _win_overlay())


def _win_bridge() -> Profile:
    return Profile(
        "win-bridge",
        "win-bridge plugin",
        (Mode("l2bridge", "pod ranges routed between nodes", transport=Transport.ROUTED),),
        f"{_DOCS}/win-bridge/",
        binaries=("win-bridge.exe", "host-local.exe"),
        ipam="host-local",
        conntrack=False,
        system="windows",
        notes=(
            "Linux nodes beside it route pod ranges too (Flannel's host-gw). A hypervisor must "
            "allow MAC spoofing on the node's adapter.",
        ),
    )


def _win_overlay() -> Profile:
    rows = Rows("win-overlay", f"{_DOCS}/win-overlay/")
    return Profile(
        "win-overlay",
        "win-overlay plugin",
        (
            Mode(
                "vxlan",
                "VXLAN with a VNI of 4096 or more",
                (rows.udp("vxlan", 4789, "VXLAN: pod packets between nodes", families=V4),),
                50,
                None,
            ),
        ),
        f"{_DOCS}/win-overlay/",
        binaries=("win-overlay.exe", "host-local.exe"),
        ipam="host-local",
        ipv6=False,
        conntrack=False,
        system="windows",
        notes=("Linux nodes beside it must use port 4789 and the same VNI (flannel/vxlan-4789).",),
    )

"""Cilium."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile
from rules.cnis.rows import port
from rules.flows import Protocol

_REQUIREMENTS = "https://docs.cilium.io/en/stable/operations/system_requirements/"


def profiles() -> tuple[Profile, ...]:
    """Cilium."""
    return (_cilium(),)


def _cilium() -> Profile:
    vxlan = port("cilium-vxlan", "cilium", Protocol.UDP, 8472, "VXLAN: pod packets between nodes",
                 _REQUIREMENTS)  # fmt: skip
    geneve = port("cilium-geneve", "cilium", Protocol.UDP, 6081,
                  "Geneve: pod packets between nodes", _REQUIREMENTS)  # fmt: skip
    return Profile(
        "cilium",
        "Cilium",
        (
            Mode("vxlan", "VXLAN", (vxlan,), 50, 70, modules=("vxlan",)),
            Mode("geneve", "Geneve", (geneve,), 50, 70, modules=("geneve",)),
            Mode("native", "routed", routed=True),
        ),
        _REQUIREMENTS,
        flows=(
            port("cilium-health", "cilium", Protocol.TCP, 4240, "health between nodes",
                 _REQUIREMENTS, process="cilium-agent"),
        ),
        conf_files=("05-cilium.conflist",),
        binaries=("cilium-cni", "loopback"),
        ipam="cilium-agent",
    )  # fmt: skip

"""Docker's own overlay, which follows the Container Network Model (CNM) and not CNI."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile
from rules.cnis.rows import V4, Rows
from rules.flows import MASTERS, Protocol

_DOCS = "https://docs.docker.com/engine/network/drivers/overlay/"
_MTU = "https://github.com/moby/moby/blob/master/daemon/libnetwork/drivers/overlay/ov_network.go"
_ROWS = Rows("docker-overlay", _DOCS)
# 26 bytes of ESP, then down to a multiple of four.
_VXLAN, _ESP = 50, 26


def profiles() -> tuple[Profile, ...]:
    """Docker's overlay."""
    return (_overlay(),)


def _overlay() -> Profile:
    vxlan = _ROWS.udp("vxlan", 4789, "VXLAN: container packets between nodes", families=V4)
    esp = _ROWS.ip(
        "esp",
        Protocol.ESP,
        "container packets, encrypted (IP protocol 50, not a port)",
        families=V4,
    )
    members = "daemons tell each other where containers are; the port is fixed"
    return Profile(
        "docker-overlay",
        "Docker overlay (CNM)",
        (
            Mode("vxlan", "VXLAN, the default", (vxlan,), _VXLAN, None, modules=("vxlan",)),
            Mode(
                "encrypted",
                "VXLAN inside ESP",
                (vxlan, esp),
                _VXLAN + _ESP,
                None,
                modules=("vxlan", "esp4", "xfrm_user"),
                source=_MTU,
            ),
        ),
        _DOCS,
        default_mode="vxlan",
        flows=(
            _ROWS.tcp("managers", 2377, "nodes join and follow the managers", "dockerd",
                      roles=MASTERS),
            _ROWS.tcp("members-tcp", 7946, members, "dockerd"),
            _ROWS.udp("members-udp", 7946, members, "dockerd"),
        ),
        linux_bridge=True,
        modules=("bridge", "veth", "br_netfilter"),
        ipam="Docker",
        files=("/var/lib/docker/network",),
        links=("docker_gwbridge", "docker0"),
        ipv6=False,
        notes=(
            "Not a network of the kubelet: no conf file, no plugin directory.",
            "4789 has no authentication: never open it beyond the nodes. The API on 2375 or 2376 "
            "is never to be public.",
        ),
    )  # fmt: skip

"""Weave Net, archived by its makers in 2024."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile
from rules.cnis.rows import Rows
from rules.flows import Bind, Flow

_FAQ = "https://github.com/weaveworks/weave/blob/master/site/faq.md"
_ROWS = Rows("weave", _FAQ)
# Its documentation says 84 to 87; its own default MTU, 1376, is 84 below 1460.
_OVERHEAD = 87


def profiles() -> tuple[Profile, ...]:
    """Weave Net."""
    return (_weave(),)


def _sleeve() -> Flow:
    return _ROWS.udp(
        "sleeve", 6783, "pod packets in UDP, also where the kernel's VXLAN does not pass", "weaver"
    )


def _fastdp() -> tuple[Flow, ...]:
    return (
        _sleeve(),
        _ROWS.udp("fastdp", 6784, "VXLAN in the kernel: pod packets between nodes"),
    )


def _weave() -> Profile:
    esp = _ROWS.ipsec()[-1]
    return Profile(
        "weave",
        "Weave Net",
        (
            Mode(
                "fastdp",
                "VXLAN in the kernel's Open vSwitch, the default",
                _fastdp(),
                _OVERHEAD,
                None,
                modules=("openvswitch", "vxlan"),
            ),
            Mode(
                "fastdp-encrypted",
                "as fastdp, inside ESP",
                (*_fastdp(), esp),
                _OVERHEAD,
                None,
                modules=("openvswitch", "vxlan", "esp4", "xfrm_user"),
                aliases=("encrypted",),
            ),
            Mode(
                "sleeve",
                "UDP through a program",
                (_sleeve(),),
                _OVERHEAD,
                None,
            ),
        ),
        _FAQ,
        default_mode="fastdp",
        flows=(
            _ROWS.tcp("control", 6783, "peers exchange topology and keys", "weaver"),
            _ROWS.own("http", 6784, "the HTTP API of the launcher", "weaver"),
            _ROWS.own("metrics-own", 6782, "metrics, on every address", "weaver", bind=Bind.ANY),
            _ROWS.own("npc-own", 6781, "metrics, on every address", "weave-npc", bind=Bind.ANY),
            _ROWS.metrics("metrics", 6782, "weaver", when="monitoring reads them"),
            _ROWS.metrics("npc-metrics", 6781, "weave-npc", when="monitoring reads them"),
        ),
        linux_bridge=True,
        modules=("bridge", "veth", "br_netfilter"),
        conf_files=("10-weave.conflist", "10-weave.conf"),
        binaries=("weave-net", "weave-ipam", "portmap", "loopback"),
        ipam="weave-ipam",
        links=("weave", "datapath", "vxlan-6784", "vethwe-bridge"),
        ipv6=False,
        notes=(
            "Archived: nobody mends it.",
            "Its pod range, 10.32.0.0/12 unless set, must overlap no route of the host. The MTU is "
            "1376 unless WEAVE_MTU says otherwise.",
            "An old 10-weave.conf beside 10-weave.conflist is read first: remove it.",
        ),
    )

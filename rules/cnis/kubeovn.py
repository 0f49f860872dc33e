"""Kube-OVN."""

from __future__ import annotations

from rules.cluster import Role
from rules.cnis.profile import Mode, Profile, Transport
from rules.cnis.rows import Rows
from rules.flows import FROM_SELF, MASTERS, Flow, Group, Protocol

_DOCS = "https://kubeovn.github.io/docs/stable/en/start/prepare/"
_MTU = "https://github.com/kubeovn/kube-ovn/blob/master/pkg/util/const.go"
_ROWS = Rows("kube-ovn", _DOCS)
_PEERS = frozenset({Role.MULTI_MASTER})
_FROM_MASTERS = frozenset({Group.MASTERS})


def profiles() -> tuple[Profile, ...]:
    """Kube-OVN."""
    return (_kube_ovn(),)


def _modes() -> tuple[Mode, ...]:
    return (
        Mode(
            "geneve",
            "Geneve, the default",
            (_ROWS.udp("geneve", 6081, "Geneve: pod packets between nodes"),),
            100,
            100,
            modules=("geneve",),
            source=_MTU,
        ),
        Mode(
            "vxlan",
            "VXLAN",
            (_ROWS.udp("vxlan", 4789, "VXLAN: pod packets between nodes"),),
            50,
            70,
            modules=("vxlan",),
            source=_MTU,
        ),
        Mode(
            "stt",
            "STT, which looks like TCP",
            (_ROWS.port("stt", Protocol.TCP, 7471, "STT: pod packets between nodes", binds=False),),
            72,
            92,
            notes=("Needs Open vSwitch's own kernel module.",),
            source=_MTU,
        ),
        Mode(
            "underlay",
            "pods on the node's link, by VLAN",
            transport=Transport.LINK,
            aliases=("vlan",),
            notes=("The switch (or hypervisor) must accept several MACs on the port.",),
        ),
    )


def _central() -> tuple[Flow, ...]:
    """The databases of OVN, which run on the masters."""
    return (
        _ROWS.tcp(
            "northbound", 6641, "controllers write the wanted network", "ovsdb-server",
            roles=MASTERS,
        ),
        _ROWS.tcp(
            "southbound", 6642, "every node reads its flows", "ovsdb-server", roles=MASTERS,
        ),
        _ROWS.tcp(
            "northbound-raft", 6643, "northbound databases replicate", "ovsdb-server",
            sources=_FROM_MASTERS, roles=_PEERS,
        ),
        _ROWS.tcp(
            "southbound-raft", 6644, "southbound databases replicate", "ovsdb-server",
            sources=_FROM_MASTERS, roles=_PEERS,
        ),
    )  # fmt: skip


def _kube_ovn() -> Profile:
    return Profile(
        "kube-ovn",
        "Kube-OVN",
        _modes(),
        _DOCS,
        default_mode="geneve",
        flows=(
            *_central(),
            _ROWS.tcp("daemon", 10665, "the daemon's health", "kube-ovn-daemon", sources=FROM_SELF),
            _ROWS.metrics("daemon-metrics", 10665, "kube-ovn-daemon", when="monitoring reads them"),
            _ROWS.metrics(
                "controller-metrics",
                10660,
                "kube-ovn-contro",
                when="the controller runs on this node",
            ),
            _ROWS.metrics(
                "monitor-metrics", 10661, "kube-ovn-monito", when="the monitor runs on this node"
            ),
            _ROWS.metrics("pinger-metrics", 8080, "kube-ovn-pinger", when="the pinger runs"),
            _ROWS.metrics("bfd-metrics", 10669, "bfdd-beacon", when="BFD runs"),
        ),
        modules=("openvswitch",),
        conf_files=("01-kube-ovn.conflist",),
        binaries=("kube-ovn", "portmap", "loopback"),
        ipam="the Kube-OVN controller",
        files=("/etc/origin/ovn", "/run/openvswitch", "/run/ovn"),
        links=("ovn0", "genev_sys_6081", "vxlan_sys_4789"),
    )

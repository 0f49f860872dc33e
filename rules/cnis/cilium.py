"""Cilium."""

from __future__ import annotations

from rules.cluster import Role
from rules.cnis.profile import Mode, Profile, Transport
from rules.cnis.rows import Rows
from rules.flows import Flow, Group, Protocol

_REQUIREMENTS = "https://docs.cilium.io/en/stable/operations/system_requirements/"
_MTU = "https://github.com/cilium/cilium/blob/main/pkg/mtu/mtu.go"
_ROWS = Rows("cilium", _REQUIREMENTS)
# Bytes, by pkg/mtu/mtu.go. IPsec: with a 16-byte authentication key.
_WIREGUARD = 80
_IPSEC = 77
_TUNNEL_V4, _TUNNEL_V6 = 50, 70


def profiles() -> tuple[Profile, ...]:
    """Cilium."""
    return (_cilium(),)


def _vxlan() -> Flow:
    return _ROWS.udp("vxlan", 8472, "VXLAN: pod packets between nodes")


def _geneve() -> Flow:
    return _ROWS.udp("geneve", 6081, "Geneve: pod packets between nodes")


def _wireguard() -> Flow:
    return _ROWS.udp("wireguard", 51871, "WireGuard: packets between nodes, encrypted")


def _esp() -> Flow:
    return _ROWS.ip(
        "esp", Protocol.ESP, "IPsec: pod packets, encrypted (IP protocol 50, not a port)"
    )


def _plain_modes() -> tuple[Mode, ...]:
    return (
        Mode(
            "vxlan",
            "VXLAN, the default",
            (_vxlan(),),
            _TUNNEL_V4,
            _TUNNEL_V6,
            modules=("vxlan",),
            source=_MTU,
        ),
        Mode(
            "geneve",
            "Geneve",
            (_geneve(),),
            _TUNNEL_V4,
            _TUNNEL_V6,
            modules=("geneve",),
            notes=("Direct server return over Geneve takes 12 bytes more.",),
            source=_MTU,
        ),
        Mode(
            "native",
            "pod ranges routed between nodes",
            transport=Transport.ROUTED,
            aliases=("native-routing", "direct"),
        ),
    )


def _encrypted_modes() -> tuple[Mode, ...]:
    wider = "Releases that pad WireGuard's packets take 15 bytes more (95)."
    keys = "A longer authentication key than 16 bytes takes its excess more."
    ipsec = ("esp4", "esp6", "xfrm_user")
    return (
        Mode(
            "wireguard",
            "WireGuard around the VXLAN tunnel",
            (_wireguard(), _vxlan()),
            _TUNNEL_V4 + _WIREGUARD,
            _TUNNEL_V6 + _WIREGUARD,
            modules=("vxlan", "wireguard"),
            aliases=("vxlan-wireguard",),
            notes=(wider,),
            source=_MTU,
        ),
        Mode(
            "geneve-wireguard",
            "WireGuard around the Geneve tunnel",
            (_wireguard(), _geneve()),
            _TUNNEL_V4 + _WIREGUARD,
            _TUNNEL_V6 + _WIREGUARD,
            modules=("geneve", "wireguard"),
            notes=(wider,),
            source=_MTU,
        ),
        Mode(
            "native-wireguard",
            "WireGuard, no other tunnel",
            (_wireguard(),),
            _WIREGUARD,
            _WIREGUARD,
            modules=("wireguard",),
            notes=(wider,),
            source=_MTU,
        ),
        Mode(
            "ipsec",
            "IPsec around the VXLAN tunnel",
            (_esp(), _vxlan()),
            _TUNNEL_V4 + _IPSEC,
            _TUNNEL_V6 + _IPSEC,
            modules=("vxlan", *ipsec),
            aliases=("vxlan-ipsec",),
            notes=(keys, "AWS security groups do not pass ESP unless a rule names protocol 50."),
            source=_MTU,
        ),
        Mode(
            "native-ipsec",
            "IPsec, no other tunnel",
            (_esp(),),
            _IPSEC,
            _IPSEC,
            modules=ipsec,
            notes=(keys,),
            source=_MTU,
        ),
    )


def _common() -> tuple[Flow, ...]:
    relay = frozenset({Group.NODES, Group.PODS})
    return (
        _ROWS.tcp(
            "health",
            4240,
            "agents probe each other, beside ICMP echo between all nodes",
            "cilium-agent",
        ),
        _ROWS.own("agent-health", 9879, "the agent's health", "cilium-agent"),
        _ROWS.own("agent-gops", 9890, "the agent's debugging", "cilium-agent"),
        _ROWS.own("envoy-health", 9878, "Envoy's health", "cilium-envoy", when="Envoy runs"),
        _ROWS.own("envoy-admin", 9901, "Envoy's administration", "cilium-envoy", when="Envoy runs"),
        _ROWS.own(
            "operator-gops",
            9891,
            "the operator's debugging",
            "cilium-operator",
            when="the operator runs on this node",
        ),
        _ROWS.tcp(
            "hubble",
            4244,
            "Hubble Relay, a pod, asks the agent of every node",
            "cilium-agent",
            sources=relay,
            when="Hubble Relay runs",
        ),
        _ROWS.tcp(
            "mutual-auth", 4250, "agents prove pod identities", "cilium-agent",
            when="mutual authentication is on",
        ),
        _ROWS.own(
            "spire-health", 4251, "the SPIRE agent's health", "spire-agent",
            when="mutual authentication is on",
        ),
        _ROWS.tcp(
            "bgp", 179, "BGP with routers: admit them too", "cilium-agent",
            when="the BGP control plane is on",
        ),
        _ROWS.tcp(
            "kvstore", 2379, "agents keep their state in etcd", "etcd",
            roles=frozenset({Role.ETCD}), when="Cilium's store is etcd",
        ),
        _ROWS.metrics("agent-metrics", 9962, "cilium-agent", when="metrics are on"),
        _ROWS.metrics("operator-metrics", 9963, "cilium-operator", when="metrics are on"),
        _ROWS.metrics("envoy-metrics", 9964, "cilium-envoy", when="metrics are on"),
        _ROWS.metrics("hubble-metrics", 9965, "cilium-agent", when="Hubble's metrics are on"),
    )  # fmt: skip


def _cilium() -> Profile:
    return Profile(
        "cilium",
        "Cilium",
        (*_plain_modes(), *_encrypted_modes()),
        _REQUIREMENTS,
        default_mode="vxlan",
        flows=_common(),
        kernel_options=(
            "BPF",
            "BPF_SYSCALL",
            "BPF_JIT",
            "NET_CLS_BPF",
            "NET_CLS_ACT",
            "NET_SCH_INGRESS",
            "CRYPTO_SHA1",
            "CRYPTO_USER_API_HASH",
            "CGROUPS",
            "CGROUP_BPF",
            "PERF_EVENTS",
            "SCHEDSTATS",
        ),
        # Strict filtering (1) drops what its programs redirect between lxc* and cilium_host.
        rp_filter=(0, 2),
        conf_files=("05-cilium.conflist",),
        binaries=("cilium-cni", "loopback"),
        ipam="the cilium agent",
        files=("/var/run/cilium", "/sys/fs/bpf"),
        links=("cilium_host", "cilium_net", "cilium_vxlan", "cilium_geneve", "cilium_wg0", "lxc*"),
        notes=(
            "It renames other conf files so that they end in .cilium_bak (cni-exclusive).",
            "With kubeProxyReplacement no kube-proxy runs: set proxy.disabled in the cluster file.",
            "Cluster mesh reaches 2379/tcp of its API server, by a NodePort (32379) or a load "
            "balancer.",
        ),
    )

"""Antrea, and NSX Container Plugin (NCP), both from VMware."""

from __future__ import annotations

from rules.cnis.profile import Elsewhere, Mode, Profile, Transport
from rules.cnis.rows import V4, Rows
from rules.flows import Flow, Group, Protocol

_REQUIREMENTS = "https://github.com/antrea-io/antrea/blob/main/docs/network-requirements.md"
_MTU = "https://github.com/antrea-io/antrea/blob/main/pkg/agent/config/node_config.go"
_NCP = "https://github.com/vmware/nsx-container-plugin-operator"
_ROWS = Rows("antrea", _REQUIREMENTS)
# Bytes that ESP takes more, around any tunnel.
_IPSEC = 38


def profiles() -> tuple[Profile, ...]:
    """Antrea and NSX NCP."""
    return (_antrea(), _ncp())


def _geneve() -> Flow:
    return _ROWS.udp("geneve", 6081, "Geneve: pod packets between nodes")


def _ipsec() -> tuple[Flow, ...]:
    authenticated = _ROWS.ip("ah", Protocol.AH, "IPsec's headers (IP protocol 51, not a port)")
    return (*_ROWS.ipsec(), authenticated)


def _tunnels() -> tuple[Mode, ...]:
    return (
        Mode(
            "geneve", "Geneve, the default", (_geneve(),), 50, 70, modules=("geneve",), source=_MTU
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
            notes=(
                "Antrea itself takes nothing off the MTU for STT: set defaultMTU by hand. Needs "
                "Open vSwitch's own kernel module. It is not TCP: a firewall that follows TCP "
                "states drops it.",
            ),
            source=_MTU,
        ),
        Mode(
            "gre",
            "GRE",
            (
                _ROWS.ip(
                    "gre",
                    Protocol.GRE,
                    "GRE: pod packets between nodes (IP protocol 47, not a port)",
                    families=V4,
                ),
            ),
            42,
            None,
            modules=("ip_gre",),
            source=_MTU,
        ),
    )


def _other_modes() -> tuple[Mode, ...]:
    return (
        Mode(
            "ipsec",
            "IPsec around Geneve",
            (*_ipsec(), _geneve()),
            50 + _IPSEC,
            70 + _IPSEC,
            modules=("geneve", "esp4", "esp6", "xfrm_user"),
            source=_MTU,
        ),
        Mode(
            "wireguard",
            "WireGuard, which takes the tunnel's place",
            (_ROWS.udp("wireguard", 51820, "WireGuard: pod packets between nodes, encrypted"),),
            60,
            80,
            modules=("wireguard",),
            source=_MTU,
        ),
        Mode("noencap", "pod ranges routed between nodes", transport=Transport.ROUTED),
        Mode(
            "hybrid",
            "routes within a subnet, Geneve between subnets",
            (_geneve(),),
            50,
            70,
            transport=Transport.ROUTED,
            modules=("geneve",),
            source=_MTU,
        ),
    )


def _antrea_flows() -> tuple[Flow, ...]:
    members = "agents agree who holds an egress or Service address"
    return (
        _ROWS.tcp(
            "controller",
            10349,
            "agents follow the controller, which runs on one node",
            "antrea-controll",
            binds=False,
        ),
        _ROWS.tcp("agent", 10350, "the agent's API, for antctl and the controller", "antrea-agent"),
        _ROWS.tcp("members-tcp", 10351, members, "antrea-agent"),
        _ROWS.udp("members-udp", 10351, members, "antrea-agent"),
        _ROWS.tcp(
            "proxy-healthz",
            10256,
            "load balancers ask whether this node still takes Service traffic",
            "antrea-agent",
            sources=frozenset({Group.LOAD_BALANCERS}),
            when="proxyAll takes kube-proxy's place",
        ),
        _ROWS.tcp(
            "bgp",
            179,
            "BGP with routers: admit them too",
            "antrea-agent",
            when="a BGPPolicy listens",
        ),
        _ROWS.udp(
            "bfd",
            3784,
            "BFD with routers: admit them too",
            "antrea-agent",
            when="a BGPPolicy's peers use BFD",
        ),
        _ROWS.udp(
            "multicluster-wireguard",
            51821,
            "WireGuard between the gateways of clusters",
            when="multi-cluster traffic is encrypted",
        ),
    )


def _antrea() -> Profile:
    return Profile(
        "antrea",
        "Antrea",
        (*_tunnels(), *_other_modes()),
        _REQUIREMENTS,
        default_mode="geneve",
        flows=_antrea_flows(),
        modules=("openvswitch",),
        conf_files=("10-antrea.conflist",),
        binaries=("antrea", "portmap", "bandwidth", "loopback"),
        ipam="host-local, run by the agent",
        files=("/var/run/antrea",),
        links=("antrea-gw0", "antrea-tun0", "genev_sys_6081", "vxlan_sys_4789"),
        notes=(
            "Since 2.4 the agent lets its own tunnel through the host's iptables.",
            "With proxyAll no kube-proxy is needed: then set proxy.disabled in the cluster file.",
        ),
    )


def _ncp() -> Profile:
    rows = Rows("nsx-ncp", _NCP)
    return Profile(
        "nsx-ncp",
        "VMware NSX Container Plugin",
        (
            Mode(
                "vlan",
                "each pod behind a VLAN tag on the node's port; the hypervisor carries it",
                transport=Transport.LINK,
                notes=("Geneve is the hypervisors': their link needs 1600 bytes, better 1700.",),
            ),
        ),
        _NCP,
        flows=(rows.metrics("metrics", 8001, "ncp", when="NCP serves metrics on this node"),),
        elsewhere=(
            Elsewhere("443/tcp", "nodes", "NSX Manager", "NCP writes the networks it wants"),
            Elsewhere(
                "2345/tcp", "node agent", "hyperbus, 169.254.1.0/31", "the VLAN of each new pod"
            ),
            Elsewhere("1234/tcp", "hypervisors", "NSX Manager", "management of transport nodes"),
            Elsewhere("1235/tcp", "hypervisors", "NSX Manager", "control of transport nodes"),
            Elsewhere("6081/udp", "hypervisors", "hypervisors", "Geneve between tunnel endpoints"),
            Elsewhere(
                "3784-3785/udp", "hypervisors", "hypervisors", "BFD between tunnel endpoints"
            ),
        ),
        modules=("openvswitch", "8021q"),
        conf_files=("10-nsx.conflist", "10-nsx.conf", "99-loopback.conf"),
        binaries=("nsx", "loopback"),
        ipam="nsx-node-agent",
        files=("/etc/apparmor.d/ncp-apparmor",),
        links=("nsx_agent_outer", "br-int"),
        kube_proxy=False,
        notes=(
            "Its bootstrap fails on Ubuntu where /etc/apparmor.d is missing. Hyperbus keeps VLAN "
            "4094 for itself.",
            "nsx-kube-proxy, a part of its node agent, takes kube-proxy's place.",
        ),
    )

"""Calico."""

from __future__ import annotations

from rules.cluster import Role
from rules.cnis.profile import Mode, Profile, Transport
from rules.cnis.rows import V4, Rows
from rules.flows import Flow, Protocol

_DOCS = "https://docs.tigera.io/calico/latest"
_REQUIREMENTS = f"{_DOCS}/getting-started/kubernetes/requirements"
_MTU = f"{_DOCS}/networking/configuring/mtu"
_ROWS = Rows("calico", _REQUIREMENTS)
_ETCD = frozenset({Role.ETCD})
_READ_THE_POOL = (
    "The mode is a field of the IP pool (ipipMode, vxlanMode), not of the release: the API's "
    "default is ipip, the operator's custom-resources.yaml sets vxlan-crosssubnet."
)


def profiles() -> tuple[Profile, ...]:
    """Calico."""
    return (_calico(),)


def _bgp() -> Flow:
    return _ROWS.tcp("bgp", 179, "BGP: nodes tell each other their pod ranges", "bird")


def _vxlan() -> Flow:
    return _ROWS.udp("vxlan", 4789, "VXLAN: pod packets between nodes")


def _ipip() -> Flow:
    return _ROWS.ip(
        "ipip",
        Protocol.IPIP,
        "IP in IP: pod packets between nodes (IP protocol 4, not a port)",
        families=V4,
    )


def _modes() -> tuple[Mode, ...]:
    azure = "Azure's network drops IP in IP."
    return (
        Mode(
            "vxlan-crosssubnet",
            "VXLAN between subnets, routes within one: the operator's custom-resources.yaml",
            (_vxlan(), _bgp()),
            50,
            70,
            transport=Transport.ROUTED,
            modules=("vxlan",),
            aliases=("vxlancrosssubnet", "cross-subnet"),
            source=_MTU,
        ),
        Mode("vxlan", "VXLAN, no BGP", (_vxlan(),), 50, 70, modules=("vxlan",), source=_MTU),
        Mode(
            "ipip",
            "IP in IP, routes by BGP: the plain manifest",
            (_ipip(), _bgp()),
            20,
            None,
            modules=("ipip",),
            notes=(azure,),
            source=_MTU,
        ),
        Mode(
            "ipip-crosssubnet",
            "IP in IP between subnets, routes within one",
            (_ipip(), _bgp()),
            20,
            None,
            transport=Transport.ROUTED,
            modules=("ipip",),
            aliases=("ipipcrosssubnet",),
            notes=(azure,),
            source=_MTU,
        ),
        Mode(
            "bgp",
            "no tunnel, routes by BGP",
            (_bgp(),),
            transport=Transport.ROUTED,
            aliases=("none", "native"),
            notes=("Route reflectors and top-of-rack routers are BGP peers too: admit them.",),
        ),
        Mode(
            "wireguard",
            "WireGuard, which takes the tunnel's place",
            (*_ROWS.wireguard(), _bgp()),
            60,
            80,
            modules=("wireguard",),
            notes=(
                "Until every node has WireGuard, the flows of the IP pool's own mode are needed "
                "beside it.",
            ),
            source=_MTU,
        ),
    )


def _common() -> tuple[Flow, ...]:
    return (
        _ROWS.tcp(
            "typha",
            5473,
            "Felix on every node follows the datastore through Typha, which runs on some nodes",
            "calico-typha",
            binds=False,
        ),
        _ROWS.own("felix-health", 9099, "Felix's health", "calico-node"),
        _ROWS.own(
            "typha-health", 9098, "Typha's health", "calico-typha", when="Typha runs on this node"
        ),
        _ROWS.metrics("felix-metrics", 9091, "calico-node", when="Felix serves metrics"),
        _ROWS.metrics(
            "typha-metrics",
            9093,
            "calico-typha",
            when="typhaMetricsPort is set so (its own default is 9091, as Felix's)",
        ),
        _ROWS.tcp(
            "etcd",
            2379,
            "nodes keep Calico's state in etcd",
            "etcd",
            roles=_ETCD,
            when="Calico's datastore is etcd",
        ),
    )


def _calico() -> Profile:
    return Profile(
        "calico",
        "Calico",
        _modes(),
        _REQUIREMENTS,
        default_mode="vxlan-crosssubnet",
        flows=_common(),
        modules=("ip_set", "xt_set"),
        # Felix refuses loose mode (2), which lets pods forge their source address.
        rp_filter=(0, 1),
        conf_files=("10-calico.conflist",),
        binaries=("calico", "calico-ipam", "portmap", "bandwidth", "loopback"),
        ipam="calico-ipam",
        files=("/etc/cni/net.d/calico-kubeconfig", "/var/lib/calico/nodename"),
        links=("cali*", "tunl0", "vxlan.calico", "vxlan-v6.calico", "wireguard.cali"),
        notes=(
            _READ_THE_POOL,
            "Calico's API server is called on 5443/tcp of its pods, from the control plane.",
        ),
    )

"""kube-router."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile, Transport
from rules.cnis.rows import V4, V6, Rows
from rules.flows import Bind, Flow, Protocol

_DOCS = "https://github.com/cloudnativelabs/kube-router/blob/master/docs"
_GUIDE = f"{_DOCS}/user-guide.md"
_TUNNELS = f"{_DOCS}/tunnels.md"
_ROWS = Rows("kube-router", _GUIDE)
# GUE: an outer IPv4 header (20), UDP (8) and GUE itself (4); IPv6's header is 20 bytes longer.
_FOU_V4, _FOU_V6 = 32, 52


def profiles() -> tuple[Profile, ...]:
    """kube-router."""
    return (_kube_router(),)


def _ipip() -> tuple[Flow, ...]:
    return (
        _ROWS.ip(
            "ipip",
            Protocol.IPIP,
            "IP in IP: pod packets between subnets (IP protocol 4, not a port)",
            families=V4,
        ),
        _ROWS.ip(
            "ip6ip6",
            Protocol.IPV6,
            "IPv6 in IPv6: pod packets between subnets (IP protocol 41, not a port)",
            families=V6,
        ),
    )


def _kube_router() -> Profile:
    fou = _ROWS.udp("fou", 5555, "IP in UDP: pod packets between subnets", source=_TUNNELS)
    measure = (
        "The bridge keeps the link's MTU unless the conf file sets one: the tunnel's bytes must be "
        "taken off by hand."
    )
    return Profile(
        "kube-router",
        "kube-router",
        (
            Mode(
                "ipip",
                "routes within a subnet, IP in IP between subnets: the default",
                _ipip(),
                20,
                40,
                transport=Transport.ROUTED,
                modules=("ipip", "ip6_tunnel"),
                notes=(measure, "Azure's network drops IP in IP: use fou there."),
                source=_TUNNELS,
            ),
            Mode(
                "fou",
                "routes within a subnet, IP in UDP between subnets",
                (fou,),
                _FOU_V4,
                _FOU_V6,
                transport=Transport.ROUTED,
                modules=("fou", "ipip", "ip6_tunnel"),
                notes=(measure,),
                source=_TUNNELS,
            ),
            Mode(
                "bgp",
                "no tunnel, routes by BGP",
                transport=Transport.ROUTED,
                aliases=("none", "native"),
            ),
        ),
        _GUIDE,
        default_mode="ipip",
        flows=(
            _ROWS.tcp("bgp", 179, "BGP: nodes tell each other their pod ranges", "kube-router"),
            _ROWS.own("health", 20244, "health, on every address", "kube-router", bind=Bind.ANY),
            _ROWS.own("gobgp", 50051, "the gRPC interface of its BGP speaker", "kube-router"),
        ),
        linux_bridge=True,
        modules=("bridge", "veth", "br_netfilter", "ip_set", "xt_set"),
        conf_files=("10-kuberouter.conflist",),
        binaries=("bridge", "host-local", "portmap", "loopback"),
        ipam="host-local, with the node's pod range",
        files=("/var/lib/kube-router/kubeconfig",),
        links=("kube-bridge", "kube-dummy-if", "kube-tunnel-if"),
        notes=(
            "With --run-service-proxy no kube-proxy runs, and ip_vs is needed: then set "
            "proxy.disabled in the cluster file.",
            "External BGP peers must be admitted too.",
        ),
    )

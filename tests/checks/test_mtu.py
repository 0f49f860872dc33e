from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.facts.model.network import Route
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice, Role
from tests.nodes import healthy, judge, target
from tests.nodes import kernel as kernel_node
from tests.nodes import network as node
from tests.nodes.network import address, eth0, interface, loopback, route

V6_RANGES = (ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56"))
DUAL_CARD = replace(eth0(), addresses=(*eth0().addresses, address("2001:db8::11/64")))
WAYS = (
    route("default", "eth0", "192.0.2.1"),
    Route(ip_network("::/0"), "eth0", ip_address("fe80::1")),
)


def fits(
    mtu: int,
    name: str,
    mode: str = "",
    *,
    dual: bool = False,
    role: Role = Role.MASTER,
    **more: Any,
) -> dict[str, tuple[str, str]]:
    card = replace(DUAL_CARD if dual else eth0(), mtu=mtu)
    network = replace(
        node.healthy(), interfaces=(loopback(), card, *more.pop("others", ())), routes=WAYS, **more
    )
    cluster = Cluster(cni=CniChoice(name, mode), pod_subnets=V6_RANGES if dual else ())
    wanted = target(role, settings=Settings(cluster=cluster))
    findings = judge("mtu-fits", replace(healthy(), network=network), wanted)
    return {item.subject: (item.status.value, item.observed) for item in findings}


@pytest.mark.parametrize(
    ("mtu", "name", "mode", "status", "pods"),
    [
        (1500, "bridge", "", "pass", "1500"),
        (1500, "flannel", "vxlan", "pass", "1450"),
        (1500, "calico", "ipip", "pass", "1480"),
        (1330, "flannel", "vxlan", "pass", "1280"),
        (1329, "flannel", "vxlan", "warn", "1279"),
        (626, "flannel", "vxlan", "warn", "576"),
        (625, "flannel", "vxlan", "fail", "575"),
    ],
)
def test_what_a_tunnel_leaves(mtu: int, name: str, mode: str, status: str, pods: str) -> None:
    assert fits(mtu, name, mode) == {"IPv4": (status, pods)}


def test_ipv6_wants_1280() -> None:
    assert fits(1349, "flannel", "vxlan", dual=True) == {
        "IPv4": ("pass", "1299"),
        "IPv6": ("fail", "1279"),
    }
    assert fits(1350, "flannel", "vxlan", dual=True)["IPv6"] == ("pass", "1280")
    assert fits(1329, "flannel", "vxlan", dual=True)["IPv4"] == ("fail", "1279")


def test_links_of_different_sizes() -> None:
    other = replace(interface("eth1", 3, "198.51.100.11/24"), mtu=9000)
    assert set(fits(1500, "bridge", others=(other,))) == {"IPv4"}
    second = (*WAYS, route("default", "eth1", "198.51.100.1", metric=100))
    card = replace(eth0(), mtu=1500)
    network = replace(node.healthy(), interfaces=(loopback(), card, other), routes=second)
    found = {i.subject: i for i in judge("mtu-fits", replace(healthy(), network=network))}
    assert found["IPv4 links"].status.value == "warn"
    assert found["IPv4 links"].remedy == "ip link set eth1 mtu 1500"
    assert found["IPv4"].observed == "1500"


def test_without_a_default_route_the_addressed_cards_count() -> None:
    network = replace(node.healthy(), routes=())
    (found,) = judge("mtu-fits", replace(healthy(), network=network))
    assert found.observed == "1500"


def test_etcd_has_no_pods() -> None:
    assert fits(1300, "flannel", "vxlan", role=Role.ETCD) == {"IPv4": ("pass", "1300")}


def enabled(sysctls: dict[str, str], *, denied: tuple[str, ...] = (), dual: bool = True) -> Any:
    kernel = replace(kernel_node.healthy(), sysctls=sysctls, sysctls_denied=denied)
    cluster = Cluster(pod_subnets=V6_RANGES if dual else ())
    wanted = target(settings=Settings(cluster=cluster))
    found = judge("ipv6-enabled", replace(healthy(), kernel=kernel), wanted)
    return [(item.status.value, item.expected and item.observed) for item in found]


def off(*places: str) -> dict[str, str]:
    every = ("all", "default", "eth0")
    return {f"net.ipv6.conf.{p}.disable_ipv6": "1" if p in places else "0" for p in every}


def test_ipv6_enabled() -> None:
    assert enabled(off()) == [("pass", "")]
    assert enabled(off("all")) == [("fail", "net.ipv6.conf.all.disable_ipv6")]
    assert enabled(off("default")) == [("fail", "net.ipv6.conf.default.disable_ipv6")]
    assert enabled(off("eth0")) == [("fail", "net.ipv6.conf.eth0.disable_ipv6")]
    assert enabled({})[0][0] == "fail"
    assert enabled({}, denied=("net.ipv6.conf.all.disable_ipv6",))[0][0] == "unknown"
    assert enabled(off("all"), dual=False) == []

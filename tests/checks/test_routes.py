from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.network import Route
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice
from tests.nodes import healthy, judge, target
from tests.nodes import kernel as kernel_node
from tests.nodes import network as node
from tests.nodes.network import eth0, interface, loopback, route

DEFAULT = route("default", "eth0", "192.0.2.1")
DUAL = Settings(cluster=Cluster(pod_subnets=(ip_network("fd00:10:244::/56"),)))
V6_ONLY = Settings(
    cluster=Cluster(
        pod_subnets=(ip_network("fd00:10:244::/56"),),
        service_subnets=(ip_network("fd00:10:96::/112"),),
    )
)


def v6(by: str, via: str, **fields: Any) -> Route:
    return Route(ip_network("::/0"), by, ip_address(via), **fields)


def routes(*found: Route, settings: Settings | None = None) -> dict[str, str]:
    facts = replace(healthy(), network=replace(node.healthy(), routes=found))
    wanted = target(settings=settings or Settings())
    return {item.subject: item.status.value for item in judge("default-route", facts, wanted)}


def test_one_default_route() -> None:
    assert routes(DEFAULT) == {"IPv4": "pass"}
    assert routes(DEFAULT, route("default", "eth1", "198.51.100.1", metric=100)) == {"IPv4": "pass"}


@pytest.mark.parametrize(
    "other",
    [
        (),
        (replace(DEFAULT, table="100"),),
        (replace(DEFAULT, type="unreachable"),),
        (route("192.0.2.0/24", "eth0"),),
    ],
)
def test_no_default_route(other: tuple[Route, ...]) -> None:
    assert routes(*other) == {"IPv4": "fail"}


def test_two_equal_ones() -> None:
    assert routes(DEFAULT, route("default", "eth1", "198.51.100.1")) == {"IPv4": "warn"}
    assert routes(DEFAULT, route("default", "eth0", "192.0.2.2")) == {"IPv4": "warn"}
    assert routes(DEFAULT, DEFAULT) == {"IPv4": "pass"}


def test_the_address_of_the_node_is_set() -> None:
    settings = Settings(advertise_address=ip_address("192.0.2.11"))
    assert routes(settings=settings) == {"IPv4": "warn"}


def test_families_in_use() -> None:
    assert routes(DEFAULT, settings=DUAL) == {"IPv4": "pass", "IPv6": "fail"}
    assert routes(v6("eth0", "fe80::1"), settings=V6_ONLY) == {"IPv6": "pass"}
    both = (v6("eth0", "fe80::1"), v6("eth0", "fe80::2"))
    assert routes(*both, settings=V6_ONLY) == {"IPv6": "pass"}
    apart = (v6("eth0", "fe80::1"), v6("eth1", "fe80::2"))
    assert routes(*apart, settings=V6_ONLY) == {"IPv6": "warn"}


def test_unknown_routes() -> None:
    facts = replace(
        healthy(), network=replace(node.healthy(), routes=Unknown("denied", "no /proc/net/route"))
    )
    (found,) = judge("default-route", facts)
    assert found.status.value == "unknown"


def filtered(settings: Settings, *, two: bool = False, **values: str) -> dict[str, str]:
    cards = (eth0(), interface("eth1", 3, "198.51.100.11/24")) if two else (eth0(),)
    names = {"every": "all", "eth0": "eth0", "eth1": "eth1"}
    sysctls = {f"net.ipv4.conf.{names[key]}.rp_filter": value for key, value in values.items()}
    facts: Facts = replace(
        healthy(),
        network=replace(node.healthy(), interfaces=(loopback(), *cards)),
        kernel=replace(kernel_node.healthy(), sysctls=sysctls),
    )
    wanted = target(settings=settings)
    return {item.subject: item.status.value for item in judge("reverse-path-filter", facts, wanted)}


def cni(name: str) -> Settings:
    return Settings(cluster=Cluster(cni=CniChoice(name)))


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("bridge", "0", "pass"),
        ("bridge", "1", "pass"),
        ("bridge", "2", "pass"),
        ("calico", "0", "pass"),
        ("calico", "1", "pass"),
        ("calico", "2", "warn"),
        ("cilium", "0", "pass"),
        ("cilium", "1", "warn"),
        ("cilium", "2", "pass"),
    ],
)
def test_reverse_path_filter_of_each_pod_network(name: str, value: str, status: str) -> None:
    assert filtered(cni(name), every=value) == {"": status}


def test_several_networks() -> None:
    settings = Settings()
    assert filtered(settings, two=True, every="0", eth0="1", eth1="2") == {"eth0": "warn"}
    assert filtered(settings, two=True, every="1", eth0="0", eth1="2") == {"eth0": "warn"}
    assert filtered(settings, two=True, every="2", eth0="1", eth1="1") == {"": "pass"}
    assert filtered(settings, every="1", eth0="1") == {"": "pass"}


def test_filter_not_readable() -> None:
    assert filtered(Settings(), eth0="1") == {"": "unknown"}
    assert filtered(V6_ONLY, every="1") == {}

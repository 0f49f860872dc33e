from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.checks.ranges import overlapping
from preflight.settings import KubeletSettings, Settings
from rules.cluster import Cluster, CniChoice, Node, Role
from tests.nodes import healthy, judge, target

PODS, SERVICES = ip_network("10.244.0.0/16"), ip_network("10.96.0.0/12")


def node(name: str, address: str, *pods: str) -> Node:
    return Node(name, Role.WORKER, (ip_address(address),), tuple(ip_network(text) for text in pods))


def verdicts(id: str, *, settings: dict[str, Any] | None = None, **cluster: Any) -> dict[str, str]:
    wanted = target(settings=Settings(cluster=Cluster(**cluster), **(settings or {})))
    return {item.subject: item.status.value for item in judge(id, healthy(), wanted)}


def test_overlapping_finds_the_innermost() -> None:
    entries = [
        (ip_network(text), text)
        for text in ("10.1.0.0/16", "10.0.0.0/8", "10.2.0.0/16", "10.1.2.0/24", "11.0.0.0/8")
    ]
    pairs = [(outer[1], inner[1]) for outer, inner in overlapping(entries)]
    assert pairs == [
        ("10.0.0.0/8", "10.1.0.0/16"),
        ("10.1.0.0/16", "10.1.2.0/24"),
        ("10.0.0.0/8", "10.2.0.0/16"),
    ]
    assert not list(overlapping([(ip_network("0.0.0.0/0"), 4), (ip_network("::/0"), 6)]))


def test_disjoint() -> None:
    nodes = (node("w1", "192.0.2.21", "10.244.1.0/24"), node("w2", "192.0.2.22", "10.244.2.0/24"))
    assert verdicts("cidrs-disjoint", pod_subnets=(PODS,), nodes=nodes) == {"": "pass"}
    assert verdicts("cidrs-disjoint") == {"": "pass"}


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"service_subnets": (ip_network("10.244.128.0/20"),)}, "10.244.0.0/16,10.244.128.0/20"),
        ({"service_subnets": (PODS,)}, "10.244.0.0/16"),
        ({"nodes": (node("w1", "10.244.3.4"),)}, "10.244.0.0/16,10.244.3.4/32"),
        ({"nodes": (node("w1", "10.96.0.9"),)}, "10.96.0.0/12,10.96.0.9/32"),
        ({"nodes": (node("a", "192.0.2.1"), node("b", "192.0.2.1"))}, "192.0.2.1/32"),
        (
            {
                "nodes": (
                    node("a", "192.0.2.1", "10.244.1.0/24"),
                    node("b", "192.0.2.2", "10.244.1.0/24"),
                )
            },
            "10.244.1.0/24",
        ),
        ({"nodes": (node("a", "192.0.2.1", "10.9.1.0/24"),)}, "10.9.1.0/24"),
    ],
)
def test_overlaps(changes: dict[str, Any], subject: str) -> None:
    found = verdicts("cidrs-disjoint", **{"pod_subnets": (PODS,), **changes})
    assert found == {subject: "fail"}


def test_the_list_of_overlaps_is_short() -> None:
    nodes = tuple(node(f"n{n}", "192.0.2.1") for n in range(30))
    found = judge(
        "cidrs-disjoint", healthy(), target(settings=Settings(cluster=Cluster(nodes=nodes)))
    )
    assert len(found) == 6
    assert "24 more" in found[-1].message


def test_ten_thousand_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Comparing each with each would take many minutes; a busy machine may need some seconds.
    monkeypatch.setattr("preflight.engine.CHECK_TIME_LIMIT_S", 60)
    first = ip_address("198.18.0.0")
    nodes = tuple(Node(f"n{n}", Role.WORKER, (first + n,)) for n in range(10_000))
    assert verdicts("cidrs-disjoint", nodes=nodes) == {"": "pass"}


@pytest.mark.parametrize(
    ("services", "status"),
    [
        ("10.96.0.0/12", "pass"),
        ("10.0.0.0/11", "fail"),
        ("10.96.0.0/28", "pass"),
        ("10.96.0.0/29", "fail"),
        ("fd00::/108", "pass"),
        ("fd00::/107", "fail"),
    ],
)
def test_services(services: str, status: str) -> None:
    found = verdicts("cidr-capacity", service_subnets=(ip_network(services),))
    assert found[services] == status


@pytest.mark.parametrize(
    ("pods", "bits", "status"),
    [
        ("10.244.0.0/16", 24, "pass"),
        ("10.244.0.0/24", 24, "pass"),
        ("10.244.0.0/25", 24, "fail"),
        ("10.0.0.0/8", 24, "pass"),
        ("10.0.0.0/8", 25, "fail"),
        ("10.244.0.0/16", 25, "pass"),
        ("10.244.0.0/16", 26, "fail"),
    ],
)
def test_pods(pods: str, bits: int, status: str) -> None:
    found = verdicts(
        "cidr-capacity",
        pod_subnets=(ip_network(pods),),
        settings={"node_subnet_bits": (bits, 64)},
    )
    assert found[pods] == status


def test_room_for_the_kubelets_pods() -> None:
    for most, status in ((253, "pass"), (254, "fail")):
        settings = {"kubelet": KubeletSettings(max_pods=most)}
        found = verdicts("cidr-capacity", pod_subnets=(PODS,), settings=settings)
        assert found["10.244.0.0/16"] == status


def test_room_for_the_nodes() -> None:
    nodes = tuple(node(f"n{n}", f"192.0.2.{n}") for n in range(1, 6))
    for pods, status in (("10.244.0.0/21", "pass"), ("10.244.0.0/22", "fail")):
        found = verdicts("cidr-capacity", pod_subnets=(ip_network(pods),), nodes=nodes)
        assert found[pods] == status


def test_ipv6_shares() -> None:
    found = verdicts("cidr-capacity", pod_subnets=(ip_network("fd00:10:244::/56"),))
    assert found["fd00:10:244::/56"] == "pass"
    assert verdicts("cidr-capacity", pod_subnets=(ip_network("fd00::/40"),))["fd00::/40"] == "fail"


def test_products_that_give_no_shares() -> None:
    found = verdicts(
        "cidr-capacity",
        pod_subnets=(PODS,),
        cni=CniChoice("calico"),
        settings={"kubelet": KubeletSettings(max_pods=500)},
    )
    assert found["10.244.0.0/16"] == "pass"


def test_without_a_pod_range() -> None:
    assert verdicts("cidr-capacity")["pods"] == "skip"

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.facts.model import Unknown
from preflight.facts.model.network import Interface, Route
from preflight.settings import Settings
from preflight.target import Phase
from rules.cluster import Cluster, CniChoice, Node, Role
from tests.nodes import healthy, judge, target
from tests.nodes import network as node
from tests.nodes.network import eth0, interface, loopback, route

PODS = ip_network("10.244.0.0/16")
BASE = node.healthy()


def virtual(name: str, kind: str, *addresses: str, **fields: Any) -> Interface:
    return replace(interface(name, 9, *addresses, hardware=False), kind=kind, **fields)


def found(
    *interfaces: Interface,
    routes: tuple[Route, ...] = (),
    cni: str = "bridge",
    phase: Phase = Phase.BEFORE,
    id: str = "pod-cidr-free",
    nodes: tuple[Node, ...] = (),
    **values: Any,
) -> Any:
    network = replace(
        BASE,
        interfaces=(loopback(), eth0(), *interfaces),
        **{"routes": (*BASE.routes, *routes), **values},  # type: ignore[misc]
    )
    cluster = Cluster(pod_subnets=(PODS,), cni=CniChoice(cni), nodes=nodes)
    wanted = target(phase=phase, settings=Settings(cluster=cluster))
    (finding,) = judge(id, replace(healthy(), network=network), wanted)
    return finding


def status(*interfaces: Interface, **more: Any) -> str:
    text: str = found(*interfaces, **more).status.value
    return text


def test_free() -> None:
    assert status() == "pass"


def test_without_a_pod_range_it_is_skipped() -> None:
    (finding,) = judge("pod-cidr-free", healthy())
    assert finding.status.value == "skip"
    assert "podSubnet" in finding.message


@pytest.mark.parametrize(
    ("name", "address", "remedy"),
    [
        ("docker0", "10.244.0.1/24", "daemon.json"),
        ("br-0123456789ab", "10.244.9.1/24", "docker network rm 0123456789ab"),
        ("podman0", "10.244.9.1/24", "podman"),
        ("virbr0", "10.0.0.1/8", "virsh"),
        ("flannel.1", "10.244.1.0/32", "ip link delete flannel.1"),
        ("br7", "10.244.9.1/24", "ip link delete br7"),
    ],
)
def test_other_bridges(name: str, address: str, remedy: str) -> None:
    finding = found(virtual(name, "bridge", address))
    assert finding.status.value == "fail"
    assert name in finding.message
    assert remedy in finding.remedy


def test_a_card_in_the_range() -> None:
    assert status(interface("eth1", 3, "10.244.3.4/24")) == "fail"
    assert status(interface("eth1", 3, "10.245.3.4/24")) == "pass"


@pytest.mark.parametrize(
    "clash",
    [
        route("10.240.0.0/12", "eth0", "192.0.2.1", table="100"),
        route("10.0.0.0/8", "wg0"),
        route("10.244.7.0/24", "", type="blackhole"),
        route("10.244.7.9/32", "eth0", "192.0.2.9"),
    ],
)
def test_routes_of_every_table(clash: Route) -> None:
    finding = found(routes=(clash,))
    assert finding.status.value == "fail"
    assert str(clash.destination) in finding.message


@pytest.mark.parametrize(
    "harmless",
    [
        route("10.244.0.1/32", "cni0", table="local", type="local"),
        route("10.244.0.255/32", "cni0", table="local", type="broadcast"),
        route("10.244.0.0/16", "", type="throw", table="100"),
        route("0.0.0.0/1", "tun0"),
        route("128.0.0.0/1", "tun0"),
        route("10.245.0.0/16", "eth0", "192.0.2.1"),
    ],
)
def test_routes_that_do_not_count(harmless: Route) -> None:
    assert status(routes=(harmless,)) == "pass"


def test_an_address_and_its_route_are_one_clash() -> None:
    bridge = virtual("docker0", "bridge", "10.244.0.1/24")
    finding = found(bridge, routes=(route("10.244.0.0/24", "docker0", protocol="kernel"),))
    assert finding.observed == "docker0 has 10.244.0.1/24"


@pytest.mark.parametrize(
    ("cni", "interfaces", "routes"),
    [
        (
            "flannel",
            (
                virtual("cni0", "bridge", "10.244.1.1/24"),
                virtual("flannel.1", "vxlan", "10.244.1.0/32"),
            ),
            (
                route("10.244.1.0/24", "cni0", protocol="kernel"),
                route("10.244.2.0/24", "flannel.1", "10.244.2.0"),
            ),
        ),
        (
            "calico",
            (
                virtual("tunl0", "ipip", "10.244.7.0/32"),
                virtual("cali0a1b2c3d4e5", "veth", peer_elsewhere=True),
            ),
            (
                route("10.244.7.5/32", "cali0a1b2c3d4e5"),
                route("10.244.8.0/26", "eth0", "192.0.2.12", protocol="bird"),
                route("10.244.7.0/26", "", type="blackhole", protocol="bird"),
            ),
        ),
        (
            "cilium",
            (virtual("cilium_host", "veth", "10.244.0.7/32"),),
            (
                route("10.244.0.0/24", "cilium_host", "10.244.0.7"),
                route("10.244.0.7/32", "cilium_host"),
            ),
        ),
        (
            "bridge",
            (virtual("cni0", "bridge", "10.244.1.1/24"),),
            (route("10.244.2.0/24", "eth0", "192.0.2.12"),),
        ),
        (
            "ptp",
            (virtual("veth1a2b3c4d", "veth", "10.244.1.1/32", peer_elsewhere=True),),
            (route("10.244.1.9/32", "veth1a2b3c4d"),),
        ),
    ],
)
def test_what_the_pod_network_itself_laid_down(
    cni: str, interfaces: tuple[Interface, ...], routes: tuple[Route, ...]
) -> None:
    nodes = (Node("w1", Role.WORKER, (ip_address("192.0.2.12"),)),)
    assert status(*interfaces, routes=routes, cni=cni, nodes=nodes) == "pass"


def test_another_nodes_share_counts_as_own_once_the_node_has_joined() -> None:
    share = route("10.244.2.0/24", "eth0", "192.0.2.12")
    assert status(routes=(share,)) == "fail"
    assert status(routes=(share,), phase=Phase.AFTER) == "pass"
    wide = route("10.244.0.0/16", "eth0", "192.0.2.12")
    assert status(routes=(wide,), phase=Phase.AFTER) == "fail"


def test_leftovers_of_another_pod_network() -> None:
    assert status(virtual("flannel.1", "vxlan", "10.244.1.0/32"), cni="cilium") == "fail"


def test_services_and_the_proxys_own_interfaces() -> None:
    service = "service-cidr-free"
    assert status(id=service) == "pass"
    assert status(virtual("kube-ipvs0", "dummy", "10.96.0.1/32"), id=service) == "pass"
    assert status(virtual("nodelocaldns", "dummy", "10.96.0.10/32"), id=service) == "pass"
    assert status(virtual("virbr0", "bridge", "10.97.0.1/24"), id=service) == "fail"


def test_only_so_many_are_named() -> None:
    clashes = tuple(route(f"10.244.{n}.0/24", f"vpn{n}") for n in range(9))
    assert found(routes=clashes).observed.endswith("and 4 more")


def test_unknown_tables_are_no_pass() -> None:
    unknown = Unknown("absent", "ip is not installed")
    assert status(other_tables=unknown) == "unknown"
    assert "install iproute2" in found(other_tables=unknown).remedy
    late = Unknown("timeout", "ip did not end within 3 s")
    assert not found(other_tables=late).remedy, "an ip that hangs is installed"
    assert status(routes=(), other_tables=None) == "pass"
    docker = virtual("docker0", "bridge", "10.244.0.1/24")
    assert status(docker, other_tables=unknown) == "fail"
    network = replace(BASE, routes=unknown)
    cluster = Settings(cluster=Cluster(pod_subnets=(PODS,)))
    facts = replace(healthy(), network=network)
    (finding,) = judge("pod-cidr-free", facts, target(settings=cluster))
    assert finding.status.value == "unknown"


def test_hostile_names_are_quoted() -> None:
    evil = virtual("a;reboot", "bridge", "10.244.0.1/24")
    assert "'a;reboot'" in found(evil).remedy
    clash = route("10.244.0.0/24", "eth0", table="x;reboot")
    assert "'x;reboot'" in found(routes=(clash,)).remedy

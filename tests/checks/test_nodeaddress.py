from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.identity import NameLookup
from preflight.facts.model.network import Interface, Route
from preflight.finding import Finding
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice, Role
from tests.nodes import healthy, judge, target
from tests.nodes import identity as identity_node
from tests.nodes import network as node
from tests.nodes.network import address, eth0, interface, loopback, route

SECOND = interface("eth1", 3, "198.51.100.11/24")
DUAL = Cluster(
    pod_subnets=(ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56")),
    service_subnets=(ip_network("10.96.0.0/12"), ip_network("fd00:10:96::/112")),
)


def found(
    *interfaces: Interface,
    routes: Any = None,
    named: str = "",
    role: Role = Role.MASTER,
    **settings: Any,
) -> list[Finding]:
    network = node.healthy()
    if interfaces:
        network = replace(network, interfaces=(loopback(), *interfaces))
    if routes is not None:
        network = replace(network, routes=routes)
    lookup = NameLookup("m1", (ip_address(named),) if named else (), source="/etc/hosts")
    facts: Facts = replace(
        healthy(),
        network=network,
        identity=replace(identity_node.healthy(), hostname_lookup=lookup),
    )
    return judge("node-address", facts, target(role, settings=Settings(**settings)))


def verdict(*interfaces: Interface, **more: Any) -> dict[str, str]:
    return {item.subject: item.status.value for item in found(*interfaces, **more)}


def default(by: str, via: str = "192.0.2.1") -> tuple[Route, ...]:
    return (route("default", by, via),)


@pytest.mark.parametrize("role", list(Role))
def test_all_take_the_same(role: Role) -> None:
    (item,) = found(role=role)
    assert item.status.value == "pass"
    assert item.observed == "192.0.2.11"


def test_the_name_leads_to_another_card() -> None:
    cards = (eth0(), SECOND)
    assert verdict(*cards, named="198.51.100.11") == {"IPv4": "fail"}
    # kubeadm picks nothing on a worker.
    assert verdict(*cards, named="198.51.100.11", role=Role.WORKER) == {"": "pass"}
    # Debian's 127.0.1.1, and a stranger's address, are not taken.
    assert verdict(*cards, named="127.0.1.1") == {"": "pass"}
    assert verdict(*cards, named="203.0.113.9") == {"": "pass"}


def test_settings_beat_the_routes() -> None:
    second = ip_address("198.51.100.11")
    cards = (eth0(), SECOND)
    assert verdict(*cards, node_ips=(second,), advertise_address=second) == {"": "pass"}
    assert verdict(*cards, node_ips=(second,)) == {"IPv4": "fail"}
    (item,) = found(*cards, advertise_address=second)
    assert item.status.value == "fail"
    assert "node-ip to 198.51.100.11" in item.remedy


def test_a_set_address_is_on_no_interface() -> None:
    stranger = ip_address("203.0.113.9")
    assert verdict(node_ips=(stranger,)) == {"203.0.113.9": "fail"}
    assert verdict(advertise_address=stranger) == {"203.0.113.9": "fail"}
    assert verdict(node_ips=(ip_address("0.0.0.0"),)) == {"": "pass"}  # noqa: S104


@pytest.mark.parametrize(
    ("name", "status"), [("flannel", "fail"), ("cilium", "pass"), ("bridge", "pass")]
)
def test_the_pod_network_takes_another(name: str, status: str) -> None:
    second = ip_address("198.51.100.11")
    settings = {
        "node_ips": (second,),
        "advertise_address": second,
        "cluster": Cluster(cni=CniChoice(name)),
    }
    assert set(verdict(eth0(), SECOND, **settings).values()) == {status}


def test_calico_takes_the_first_interface_that_it_does_not_exclude() -> None:
    cluster = Cluster(cni=CniChoice("calico"))
    docker = replace(interface("docker0", 1, "172.17.0.1/16", hardware=False), kind="bridge")
    assert verdict(docker, eth0(), SECOND, cluster=cluster) == {"": "pass"}
    tunnel = replace(interface("wg0", 1, "172.17.0.1/16", hardware=False), kind="wireguard")
    assert verdict(tunnel, eth0(), cluster=cluster) == {"IPv4": "fail"}


@pytest.mark.parametrize(
    ("gateway", "status"), [("10.0.2.2", "fail"), ("192.0.2.1", "fail"), ("10.0.2.1", "warn")]
)
def test_the_nat_address(gateway: str, status: str) -> None:
    nat = interface("eth0", 2, "10.0.2.15/24")
    (item,) = found(nat, SECOND, routes=default("eth0", gateway))
    assert item.status.value == status
    assert "198.51.100.11" in item.remedy


def test_another_address_of_that_network_is_fine() -> None:
    nat = interface("eth0", 2, "10.0.2.16/24")
    assert verdict(nat, routes=default("eth0", "10.0.2.2")) == {"": "pass"}


def test_the_default_route_leads_by_an_interface_without_an_address() -> None:
    bare = replace(eth0(), addresses=())
    (item,) = found(bare, SECOND)
    assert item.status.value == "fail"
    assert "198.51.100.11" in item.remedy


def test_the_address_is_on_loopback_and_routed() -> None:
    bare = replace(eth0(), addresses=())
    lo = replace(loopback(), addresses=(*loopback().addresses, address("203.0.113.9/32")))
    facts = replace(healthy(), network=replace(node.healthy(), interfaces=(lo, bare)))
    (item,) = judge("node-address", facts)
    assert (item.status.value, item.observed) == ("pass", "203.0.113.9")


def test_without_a_default_route_its_own_check_speaks() -> None:
    assert verdict(routes=()) == {"": "skip"}


def test_unknown_routes() -> None:
    unknown = Unknown("timeout", "ip did not end")
    assert verdict(routes=unknown) == {"": "unknown"}
    ours = ip_address("192.0.2.11")
    assert verdict(routes=unknown, node_ips=(ours,), advertise_address=ours) == {"": "pass"}


def test_a_family_that_the_cluster_does_not_use() -> None:
    only_v6 = Cluster(
        pod_subnets=(ip_network("fd00:10:244::/56"),),
        service_subnets=(ip_network("fd00:10:96::/112"),),
    )
    assert verdict(cluster=only_v6) == {"192.0.2.11": "fail"}
    card = interface("eth0", 2, "2001:db8::11/64")
    way = (Route(ip_network("::/0"), "eth0", ip_address("fe80::1")),)
    assert verdict(card, routes=way, cluster=only_v6) == {"": "pass"}


def test_dual_stack_wants_both_node_ips() -> None:
    card = replace(eth0(), addresses=(*eth0().addresses, address("2001:db8::11/64")))
    assert verdict(card, cluster=DUAL) == {"": "pass", "dual-stack": "warn"}
    both = (ip_address("192.0.2.11"), ip_address("2001:db8::11"))
    assert verdict(card, cluster=DUAL, node_ips=both) == {"": "pass"}

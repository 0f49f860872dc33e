from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.network import Interface
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice
from tests.nodes import healthy, judge, target
from tests.nodes import network as node
from tests.nodes.network import address, eth0, interface, loopback

SECOND = interface("eth1", 3, "198.51.100.11/24")
UNKNOWN = Unknown("timeout", "ip did not end within 3 s")


def facts(*interfaces: Interface, **values: Any) -> Facts:
    found = (loopback(), *(interfaces or (eth0(),)))
    return replace(healthy(), network=replace(node.healthy(), interfaces=found, **values))


def verdicts(id: str, given: Facts, wanted: Any = None) -> dict[str, str]:
    return {finding.subject: finding.status.value for finding in judge(id, given, wanted)}


def virtual(name: str, kind: str, index: int = 9, **fields: Any) -> Interface:
    return replace(interface(name, index, hardware=False), kind=kind, **fields)


@pytest.mark.parametrize("id", ["interface-connected", "interface-address", "subnets-distinct"])
def test_without_interfaces_all_is_unknown(id: str) -> None:
    given = replace(healthy(), network=replace(node.healthy(), interfaces=UNKNOWN))
    (found,) = judge(id, given)
    assert found.status.value == "unknown"
    assert "took too long" in found.message


@pytest.mark.parametrize(
    ("interfaces", "status"),
    [
        ((eth0(),), "pass"),
        ((eth0(), replace(SECOND, up=False, carrier=None)), "pass"),
        ((replace(eth0(), carrier=False),), "fail"),
        ((replace(eth0(), up=False, carrier=None),), "fail"),
        ((virtual("docker0", "bridge"),), "fail"),
    ],
)
def test_interface_connected(interfaces: tuple[Interface, ...], status: str) -> None:
    assert verdicts("interface-connected", facts(*interfaces)) == {"": status}


def test_interface_connected_gives_a_command_for_what_is_down() -> None:
    (found,) = judge("interface-connected", facts(replace(eth0(), up=False, carrier=None)))
    assert found.remedy == "ip link set eth0 up"
    evil = replace(eth0(), name="a;reboot", up=False, carrier=None)
    (found,) = judge("interface-connected", facts(evil))
    assert found.remedy == "ip link set 'a;reboot' up"


def test_interface_address_of_each_card() -> None:
    bare = replace(SECOND, addresses=())
    assert verdicts("interface-address", facts(eth0(), bare)) == {"eth0": "pass", "eth1": "fail"}
    assert verdicts("interface-address", facts(eth0(), SECOND)) == {"eth0": "pass", "eth1": "pass"}


@pytest.mark.parametrize(
    "addresses",
    [
        (address("169.254.7.7/16"),),
        (address("fe80::1/64", scope="link"),),
        (address("2001:db8::1/64", "dadfailed"),),
    ],
)
def test_an_address_that_nobody_can_reach_is_none(addresses: Any) -> None:
    found = verdicts("interface-address", facts(eth0(), replace(SECOND, addresses=addresses)))
    assert found["eth1"] == "fail"


@pytest.mark.parametrize(
    "others",
    [
        [replace(SECOND, addresses=(), up=False, carrier=None)],
        [replace(SECOND, addresses=(), carrier=False)],
        [
            replace(SECOND, addresses=(), port_of="br0"),
            virtual("br0", "bridge", addresses=(address("203.0.113.1/24"),)),
        ],
        [
            replace(SECOND, addresses=()),
            virtual("eth1.5", "vlan", parent="eth1", addresses=(address("203.0.113.1/24"),)),
        ],
        [replace(SECOND, addresses=(), virtual_functions=8)],
        # What Calico, Flannel, Cilium and the proxy lay down.
        [virtual("cali0a1b2c3d4e5", "veth", peer_elsewhere=True)],
        [virtual("veth0a1b2c3d", "veth", port_of="cni0"), virtual("cni0", "bridge", up=True)],
        [virtual("tunl0", "ipip"), virtual("vxlan.calico", "vxlan", parent="eth0")],
        [virtual("kube-ipvs0", "dummy"), virtual("nodelocaldns", "dummy")],
        [virtual("cilium_host", "veth"), virtual("lxc_health", "veth", peer_elsewhere=True)],
    ],
)
def test_interfaces_that_need_no_address(others: Iterable[Interface]) -> None:
    found = verdicts("interface-address", facts(eth0(), *others))
    assert set(found.values()) == {"pass"}


def test_a_tunnel_on_a_card_does_not_excuse_it() -> None:
    bare = replace(eth0(), addresses=())
    found = verdicts("interface-address", facts(bare, virtual("flannel.1", "vxlan", parent="eth0")))
    assert found == {"eth0": "fail"}


def test_a_card_for_macvlan_pods_may_go_without() -> None:
    settings = Settings(cluster=Cluster(cni=CniChoice("macvlan")))
    given = facts(eth0(), replace(SECOND, addresses=()))
    assert verdicts("interface-address", given, target(settings=settings))["eth1"] == "warn"


def test_subnets_distinct() -> None:
    assert verdicts("subnets-distinct", facts(eth0(), SECOND)) == {"": "pass"}
    same = interface("eth1", 3, "192.0.2.99/24")
    assert verdicts("subnets-distinct", facts(eth0(), same)) == {"eth0,eth1": "warn"}
    within = interface("eth1", 3, "192.0.2.200/28")
    assert verdicts("subnets-distinct", facts(eth0(), within)) == {"eth0,eth1": "warn"}
    host = interface("eth1", 3, "192.0.2.99/32")
    assert verdicts("subnets-distinct", facts(eth0(), host)) == {"": "pass"}


def test_related_interfaces_may_share_a_subnet() -> None:
    shim = virtual("shim", "macvlan", parent="eth0", addresses=(address("192.0.2.99/24"),))
    assert verdicts("subnets-distinct", facts(eth0(), shim)) == {"": "pass"}
    other = replace(interface("eth1", 3, "192.0.2.99/24"), port_of="blue")
    assert verdicts("subnets-distinct", facts(eth0(), other, virtual("blue", "vrf"))) == {
        "": "pass"
    }


def test_the_aws_pod_network_shares_subnets() -> None:
    settings = Settings(cluster=Cluster(cni=CniChoice("aws-vpc")))
    same = interface("eth1", 3, "192.0.2.99/24")
    assert verdicts("subnets-distinct", facts(eth0(), same), target(settings=settings)) == {
        "": "skip"
    }

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Unknown
from preflight.facts.model.network import Interface
from preflight.finding import Finding, Status
from rules.cluster import Role
from tests.checks.pods import (
    BRIDGE_MAC,
    bridge_conf,
    bridge_link,
    conflist,
    facts,
    pod_link,
    wanted,
    with_links,
)
from tests.nodes import cni, judge
from tests.nodes.cni import configured


def found(*links: Interface, text: str = cni.CONFLIST, **target: Any) -> list[Finding]:
    node = facts(configured(text) if text else None)
    return judge("cni-bridge-sane", with_links(node, *links), wanted(**target))


def test_no_bridge_yet() -> None:
    (one,) = found()
    assert (one.status, one.subject) == (Status.PASS, "cni0")


def test_the_bridge_as_the_plugin_leaves_it() -> None:
    (one,) = found(bridge_link(), pod_link())
    assert one.status is Status.PASS
    assert "10.244.1.1/24" in one.message


@pytest.mark.parametrize(
    ("addresses", "fine"),
    [
        (("10.244.1.1/24", "fe80::858:aff:fef4:101/64"), True),
        (("10.244.9.1/24",), False),
        (("10.244.1.1/16",), False),
        (("10.244.1.1/24", "10.88.0.1/16"), False),
        (("fd00::1/64",), True),
    ],
)
def test_addresses_with_a_file(addresses: tuple[str, ...], fine: bool) -> None:
    results = found(bridge_link(*addresses))
    assert {one.status for one in results} == {Status.PASS if fine else Status.FAIL}
    if not fine:
        assert results[0].remedy == "ip link delete cni0"
        assert results[0].expected == "10.244.1.1/24"


def test_an_address_that_is_forced_does_not_matter() -> None:
    (one,) = found(bridge_link("10.9.9.9/24"), text=bridge_conf(forceAddress=True))
    assert one.status is Status.PASS


def test_ipv6_addresses_only_clash_where_they_overlap() -> None:
    ranges = [[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:1::/64"}]]
    text = bridge_conf(ipam={"type": "host-local", "ranges": ranges})
    pods = ("10.244.0.0/16", "fd00:1::/48")
    (one,) = found(bridge_link("10.244.1.1/24", "fd00:2::1/64"), text=text, pods=pods)
    assert one.status is Status.PASS
    (one,) = found(bridge_link("10.244.1.1/24", "fd00:1::9/64"), text=text, pods=pods)
    assert one.status is Status.FAIL
    assert one.expected == "fd00:1::1/64"


@pytest.mark.parametrize(
    ("address", "pods", "status"),
    [
        ("10.244.7.1/24", ("10.244.0.0/16",), Status.PASS),
        ("10.88.0.1/16", ("10.244.0.0/16",), Status.FAIL),
        ("10.88.0.1/16", (), Status.UNKNOWN),
    ],
)
def test_addresses_before_there_is_a_file(
    address: str, pods: tuple[str, ...], status: Status
) -> None:
    (one,) = found(bridge_link(address), text="", pods=pods)
    assert one.status is status


@pytest.mark.parametrize(
    ("changes", "words", "remedy"),
    [
        ({"kind": "dummy"}, "a dummy interface and no bridge", "ip link delete cni0"),
        ({"kind": "veth"}, "a veth interface and no bridge", "ip link delete cni0"),
        (
            {"kind": "", "hardware": True},
            "a network card and no bridge",
            "ip link set cni0 down && ip link set cni0 name cni0-x",
        ),
        (
            {"mac_pinned": False},
            "has no MAC of its own",
            f"ip link set dev cni0 address {BRIDGE_MAC}",
        ),
        (
            {"mac_pinned": False, "mac": "00:00:00:00:00:00"},
            "has no MAC of its own",
            "ip link set dev cni0 address 0a:58:0a:f4:01:01",
        ),
        ({"mtu": 9000}, "has an MTU of 9000", "ip link set cni0 mtu 1500"),
    ],
)
def test_faults_of_the_bridge(changes: dict[str, Any], words: str, remedy: str) -> None:
    (one,) = found(bridge_link(**changes))
    assert one.status is Status.FAIL
    assert words in one.message
    assert one.remedy == remedy


def test_down_fails_with_pods_and_warns_without() -> None:
    (one,) = found(bridge_link(up=False))
    assert one.status is Status.WARN
    (one,) = found(bridge_link(up=False), pod_link())
    assert one.status is Status.FAIL
    assert one.remedy == "ip link set cni0 up"


def test_an_mtu_that_the_file_asks_for_is_the_files_fault() -> None:
    (one,) = found(bridge_link(mtu=9000), text=bridge_conf(mtu=9000))
    assert one.status is Status.PASS


@pytest.mark.parametrize(("mtu", "status"), [(1450, Status.PASS), (1451, Status.FAIL)])
def test_flannels_bridge_leaves_room_for_the_tunnel(mtu: int, status: Status) -> None:
    (one,) = found(bridge_link(mtu=mtu), text="", name="flannel", mode="vxlan")
    assert one.status is status


def test_the_bridge_of_the_file_and_no_other() -> None:
    text = bridge_conf(bridge="pods0")
    (one,) = found(bridge_link("10.9.9.9/24"), text=text)
    assert (one.status, one.subject) == (Status.PASS, "pods0")
    (one,) = found(bridge_link("10.9.9.9/24", name="pods0"), text=text)
    assert one.status is Status.FAIL


def test_networks_without_a_bridge_have_nothing_to_judge() -> None:
    assert found(bridge_link("10.9.9.9/24"), text="", name="calico") == []
    assert found(text=conflist({"type": "cilium-cni"}), name="cilium") == []


def test_kube_routers_bridge() -> None:
    (one,) = found(bridge_link(name="kube-bridge", kind="dummy"), text="", name="kube-router")
    assert (one.status, one.subject) == (Status.FAIL, "kube-bridge")


def test_interfaces_that_are_unknown() -> None:
    node = facts()
    assert not isinstance(node.network, Unknown)
    node = replace(
        node, network=replace(node.network, interfaces=Unknown("absent", "no ip program"))
    )
    (one,) = judge("cni-bridge-sane", node, wanted())
    assert one.status is Status.UNKNOWN
    assert judge("cni-bridge-sane", facts(), wanted(role=Role.MASTER))[0].status is Status.PASS


def test_a_mac_of_which_sys_tells_nothing() -> None:
    (one,) = found(bridge_link(mac_pinned=None))
    assert (one.status, one.subject) == (Status.UNKNOWN, "cni0")

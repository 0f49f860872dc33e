from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from preflight.facts import links
from preflight.facts.host import Host
from preflight.facts.links import parse_addr
from preflight.facts.model import Known, Unknown, known
from preflight.facts.model.network import Interface
from preflight.facts.sysclass import DeviceClass, parse_if_inet6
from rules.run import Output

CAPTURES = Path(__file__).parents[1] / "captures" / "network"
NOTHING = DeviceClass()


def one(item: dict[str, Any], *others: dict[str, Any], devices: DeviceClass = NOTHING) -> Interface:
    return parse_addr(json.dumps([item, *others]), devices)[0]


def test_debian_12_with_a_bridge_a_tunnel_and_a_lease() -> None:
    devices = DeviceClass(hardware=frozenset({("up0", 99)}), pinned=frozenset({("cni0", 2)}))
    text = (CAPTURES / "debian-12-addr.json").read_text()
    found = {item.name: item for item in parse_addr(text, devices)}
    assert set(found) == {"lo", "cni0", "veth1a2b3c4d", "up0", "flannel.1"}
    lo, bridge, pod, up0, tunnel = (
        found[name] for name in ("lo", "cni0", "veth1a2b3c4d", "up0", "flannel.1")
    )
    assert lo.loopback
    assert lo.mac == ""
    assert [str(address.interface) for address in lo.addresses] == [
        "127.0.0.1/8",
        "203.0.113.9/32",
        "::1/128",
    ]
    assert (bridge.kind, bridge.mac, bridge.mac_pinned) == ("bridge", "0a:58:0a:f4:01:01", True)
    assert (pod.kind, pod.port_of, pod.peer_elsewhere, pod.parent) == ("veth", "cni0", True, "")
    # Another index than in /sys: that card is another namespace's.
    assert not up0.hardware
    assert up0.carrier is True
    leased = up0.addresses[0]
    assert str(leased.interface) == "192.0.2.11/24"
    assert leased.flags == ("dynamic",)
    assert leased.valid_s == 3600
    assert (tunnel.kind, tunnel.parent, tunnel.mtu) == ("vxlan", "up0", 1450)


def test_iproute2_before_5_leaves_empty_objects_and_names_the_other_end_by_index() -> None:
    text = (
        '[{},{"ifindex":7,"link":"if8","ifname":"eth0","flags":["BROADCAST","UP","LOWER_UP"],'
        '"mtu":1500,"link_type":"ether","address":"02:42:ac:11:00:02",'
        '"linkinfo":{"info_kind":"veth"},"addr_info":[{},{"family":"inet","local":"172.17.0.2",'
        '"prefixlen":16,"scope":"global"}]},{}]'
    )
    (eth0,) = parse_addr(text, NOTHING)
    assert eth0.peer_elsewhere
    assert str(eth0.addresses[0].interface) == "172.17.0.2/16"
    assert eth0.addresses[0].valid_s is None


def test_cards_say_their_bus() -> None:
    card = {"ifname": "ens3", "ifindex": 2, "flags": ["UP", "NO-CARRIER"], "parentdev": "virtio0"}
    found = one({**card, "vfinfo_list": [{"vf": 0}, {"vf": 1}], "permaddr": "52:54:00:00:00:01"})
    assert found.hardware
    assert found.carrier is False
    assert found.virtual_functions == 2
    assert found.permanent_mac == "52:54:00:00:00:01"
    down = one({**card, "flags": []})
    assert down.carrier is None
    assert not down.up


def test_a_card_of_sys_is_one_only_with_the_same_index() -> None:
    devices = DeviceClass(hardware=frozenset({("eth0", 4)}))
    assert one({"ifname": "eth0", "ifindex": 4}, devices=devices).hardware
    assert not one({"ifname": "eth0", "ifindex": 5}, devices=devices).hardware


def test_vlan_and_macvlan_name_what_they_stand_on() -> None:
    vlan = {"ifname": "eth0.5", "link": "eth0", "linkinfo": {"info_kind": "vlan"}}
    assert one(vlan, {"ifname": "eth0"}).parent == "eth0"
    inside = {"ifname": "eth0", "link_index": 2, "link_netnsid": 0}
    assert one({**inside, "linkinfo": {"info_kind": "macvlan"}}).parent == ""


def test_a_bare_tunnel_has_no_mac() -> None:
    assert one({"ifname": "wg0", "link_type": "none"}).mac == ""


@pytest.mark.parametrize("text", ["", "[]", "[ ]\n"])
def test_nothing(text: str) -> None:
    assert parse_addr(text, NOTHING) == ()


@pytest.mark.parametrize("text", ["1: lo: <LOOPBACK>", "{}", "[{"])
def test_what_is_no_list_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_addr(text, NOTHING)


def test_if_inet6() -> None:
    found = parse_if_inet6((CAPTURES / "proc-if_inet6.txt").read_text())
    assert str(found["lo"][0].interface) == "::1/128"
    assert found["lo"][0].scope == "host"
    by_text = {str(address.interface): address for address in found["up0"]}
    assert by_text["2001:db8::11/64"].scope == "global"
    other = parse_if_inet6("20010db8000000000000000000000012 04 40 00 48 eth0\nshort line\n")
    assert other["eth0"][0].flags == ("dadfailed", "tentative", "dynamic")


class Without(Host):
    """A machine whose `ip` answers something else."""

    def __init__(self, answer: Known[Output]) -> None:
        super().__init__(offline=True)
        self.answer = answer

    def start(self, argv: Any) -> Any:
        return lambda: self.answer


@pytest.mark.parametrize(
    "answer",
    [
        Unknown("absent", "ip is not installed"),
        Unknown("failed", "ip -d -j addr ended with 1: invalid option -- 'j'"),
        Output(("ip",), 0, "1: lo: <LOOPBACK>", ""),
    ],
)
def test_without_a_modern_ip_sys_and_the_c_library_tell(answer: Known[Output]) -> None:
    found = {item.name: item for item in known(links.start_links(Without(answer))())}
    assert found["lo"].loopback
    assert "127.0.0.1/8" in [str(address.interface) for address in found["lo"].addresses]


def test_an_ip_that_hangs_is_unknown() -> None:
    unknown = Unknown("timeout", "ip did not end")
    assert links.start_links(Without(unknown))() is unknown

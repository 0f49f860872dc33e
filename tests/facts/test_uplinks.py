from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.facts.model.network import Interface
from preflight.facts.model.uplinks import (
    is_local_name,
    is_port,
    is_usable,
    uplinks,
    usable_addresses,
)
from tests.nodes.network import address, eth0, interface, loopback


def virtual(name: str, kind: str, index: int = 9, **fields: object) -> Interface:
    base = interface(name, index, hardware=False)
    return replace(base, kind=kind, **fields)  # type: ignore[arg-type]


def names(*items: Interface) -> list[str]:
    return [item.name for item in uplinks((loopback(), *items))]


def test_what_a_joined_node_has_for_its_pods_is_not_one() -> None:
    assert names(
        eth0(),
        virtual("cni0", "bridge"),
        virtual("cali1a2b3c4d5e6", "veth", peer_elsewhere=True),
        virtual("veth1a2b3c4d", "veth", port_of="cni0", peer_elsewhere=True),
        virtual("lxc_health", "veth", peer_elsewhere=True),
        virtual("flannel.1", "vxlan", parent="eth0"),
        virtual("tunl0", "ipip"),
        virtual("docker0", "bridge"),
        virtual("virbr0", "bridge"),
        virtual("kube-ipvs0", "dummy"),
        virtual("nodelocaldns", "dummy"),
        virtual("wg0", "wireguard"),
    ) == ["eth0"]


def test_what_stands_on_cards_is() -> None:
    card = replace(eth0(), port_of="bond0")
    assert names(
        card,
        virtual("bond0", "bond", 3),
        virtual("bond0.5", "vlan", 4, parent="bond0"),
        virtual("br0", "bridge", 5),
        replace(virtual("bond0.6", "vlan", 6, parent="bond0"), port_of="br0"),
        virtual("bond1", "bond", 7),
        virtual("br1", "bridge", 8),
    ) == ["eth0", "bond0", "bond0.5", "br0", "bond0.6"]


def test_an_open_vswitch_bridge_with_an_address() -> None:
    card = replace(eth0(), port_of="ovs-system")
    found = names(
        card,
        virtual("ovs-system", "openvswitch", 3),
        virtual("br-ex", "openvswitch", 4, addresses=(address("192.0.2.11/24"),)),
        virtual("br-int", "openvswitch", 5),
    )
    assert found == ["eth0", "br-ex"]


@pytest.mark.parametrize(
    ("item", "counts"),
    [
        (virtual("eth0", "veth", peer_elsewhere=True), True),
        (virtual("up0", "veth"), False),
        (virtual("veth1a2b3c4d", "veth", peer_elsewhere=True), False),
        (virtual("eth0", "macvlan"), True),
        (virtual("eth0", "ipvlan"), True),
        (virtual("venet0", ""), True),
        (virtual("tap0", "tun"), True),
        (virtual("dummy0", "dummy"), False),
        (virtual("ifb0", "ifb"), False),
        (virtual("sit0", "sit"), False),
        (virtual("docker0", "bridge"), False),
    ],
)
def test_in_a_container(item: Interface, counts: bool) -> None:
    assert names(item) == ([item.name] if counts else [])


def test_a_container_beside_hardware_does_not_count() -> None:
    assert names(eth0(), virtual("eth9", "veth", peer_elsewhere=True)) == ["eth0"]


def test_ports() -> None:
    card = replace(eth0(), port_of="bond0")
    assert is_port(card, (card, virtual("bond0", "bond")))
    assert is_port(card, (card,))
    assert not is_port(replace(card, port_of="blue"), (virtual("blue", "vrf"),))
    assert not is_port(eth0(), ())


@pytest.mark.parametrize(
    ("text", "scope", "flags", "usable"),
    [
        ("192.0.2.11/24", "global", (), True),
        ("10.0.0.1/32", "link", (), True),
        ("2001:db8::1/64", "global", ("tentative",), True),
        ("2001:db8::1/64", "global", ("dadfailed", "tentative"), False),
        ("169.254.7.7/16", "global", (), False),
        ("fe80::1/64", "link", (), False),
        ("127.0.0.1/8", "host", (), False),
        ("192.0.2.1/32", "host", (), False),
    ],
)
def test_usable(text: str, scope: str, flags: tuple[str, ...], usable: bool) -> None:
    assert is_usable(address(text, *flags, scope=scope)) is usable


def test_usable_addresses_keep_the_kernels_order() -> None:
    assert [str(item.ip) for item in usable_addresses(eth0())] == ["192.0.2.11"]


def test_local_names() -> None:
    assert is_local_name("br-0123456789ab")
    assert not is_local_name("br-lan")
    assert not is_local_name("br0")
    assert not is_local_name("eni0")
    assert not is_local_name("lxc0")

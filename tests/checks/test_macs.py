from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.network import DuplicateProbe, Interface, Neighbour
from tests.nodes import healthy, judge
from tests.nodes import network as node
from tests.nodes.network import MAC, eth0, interface, loopback

SECOND = interface("eth1", 3, "198.51.100.11/24")


def verdicts(*interfaces: Interface, **values: Any) -> dict[str, str]:
    found = (loopback(), *(interfaces or (eth0(),)))
    facts: Facts = replace(healthy(), network=replace(node.healthy(), interfaces=found, **values))
    return {finding.subject: finding.status.value for finding in judge("mac-unique", facts)}


def virtual(name: str, kind: str, index: int = 9, **fields: Any) -> Interface:
    return replace(interface(name, index, mac=MAC, hardware=False), kind=kind, **fields)


def test_each_its_own() -> None:
    assert verdicts(eth0(), SECOND) == {"": "pass"}


def test_two_cards_with_one() -> None:
    assert verdicts(eth0(), replace(SECOND, mac=MAC.upper())) == {"eth0,eth1": "fail"}


@pytest.mark.parametrize(
    "other",
    [
        virtual("bond0", "bond"),
        virtual("br0", "bridge"),
        virtual("eth0.5", "vlan", parent="eth0"),
        virtual("ipvl0", "ipvlan", parent="eth0"),
        replace(SECOND, mac=MAC, port_of="bond0"),
        # A switch chip's ports have the MAC of the card behind them.
        replace(SECOND, name="lan1", mac=MAC, kind="dsa", parent="eth0"),
        replace(SECOND, mac="00:00:5e:00:01:07"),
        replace(SECOND, mac=""),
        replace(SECOND, up=False, mac="00:00:00:00:00:00"),
    ],
)
def test_who_may_share(other: Interface) -> None:
    card = replace(eth0(), port_of=other.name if other.kind in ("bond", "bridge") else "")
    assert verdicts(card, other) == {"": "pass"}


def test_bond_members_have_their_own_permanent_ones() -> None:
    bond = virtual("bond0", "bond")
    first = replace(eth0(), port_of="bond0")
    second = replace(SECOND, mac=MAC, port_of="bond0", permanent_mac="52:54:00:00:00:02")
    assert verdicts(first, second, bond) == {"": "pass"}
    copy = replace(first, permanent_mac="52:54:00:00:00:02")
    assert verdicts(copy, second, bond) == {"eth0,eth1": "fail"}


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"])
def test_addresses_that_no_card_can_have(mac: str) -> None:
    assert verdicts(eth0(), replace(SECOND, mac=mac)) == {"eth1": "fail"}


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        (Neighbour(ip_address("192.0.2.50"), "eth0", MAC, "STALE"), "fail"),
        (Neighbour(ip_address("192.0.2.50"), "eth0", MAC.upper(), "REACHABLE"), "fail"),
        (Neighbour(ip_address("192.0.2.50"), "eth0", MAC, "PERMANENT"), "pass"),
        (Neighbour(ip_address("192.0.2.50"), "eth0", MAC, "FAILED"), "pass"),
        (Neighbour(ip_address("192.0.2.11"), "eth0", MAC, "STALE"), "pass"),
        (Neighbour(ip_address("10.244.1.5"), "cni0", MAC, "STALE"), "pass"),
    ],
)
def test_a_neighbour_with_our_mac(entry: Neighbour, status: str) -> None:
    assert set(verdicts(neighbours=(entry,)).values()) == {status}


def test_a_clone_that_answers_the_probe() -> None:
    probe = DuplicateProbe("eth0", ip_address("192.0.2.11"), MAC, 1)
    assert verdicts(duplicate_probes=(probe,)) == {"eth0": "fail"}


def test_unknown_neighbours_do_not_hide_the_cards() -> None:
    unknown = Unknown("absent", "ip is not installed")
    assert verdicts(neighbours=unknown) == {"neighbours": "unknown"}
    assert verdicts(eth0(), replace(SECOND, mac=MAC), neighbours=unknown) == {
        "eth0,eth1": "fail",
        "neighbours": "unknown",
    }

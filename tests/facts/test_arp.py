from __future__ import annotations

from dataclasses import replace

import pytest

from preflight.facts.arp import (
    ADDRESS_LIMIT,
    PROBE_AT_S,
    arp_probe,
    choose_targets,
    claims,
    parse_arp,
    start_probes,
)
from preflight.facts.host import Host
from preflight.facts.model import Unknown
from preflight.facts.model.network import Interface
from tests.nodes.network import MAC, address, eth0, interface, loopback

OURS = bytes.fromhex(MAC.replace(":", ""))
THEIRS = bytes.fromhex("0200000000ff")
ADDRESS = bytes((192, 0, 2, 11))


def frame(mac: bytes, sender: bytes, *, operation: int = 2) -> bytes:
    body = bytes.fromhex("000108000604") + operation.to_bytes(2, "big") + mac + sender
    return OURS + mac + b"\x08\x06" + body + OURS + bytes(4)


def test_probe_is_a_request_from_nobody() -> None:
    sent = arp_probe(OURS, ADDRESS)
    assert len(sent) == 60
    assert sent[:6] == b"\xff" * 6
    assert sent[6:14] == OURS + b"\x08\x06"
    assert sent[14:22] == bytes.fromhex("0001080006040001")
    assert sent[22:42] == OURS + bytes(4) + bytes(6) + ADDRESS
    assert len(PROBE_AT_S) <= 3


def test_parse_arp() -> None:
    assert parse_arp(frame(THEIRS, ADDRESS)) == (THEIRS, ADDRESS)
    assert parse_arp(frame(THEIRS, ADDRESS, operation=1)) == (THEIRS, ADDRESS)
    assert parse_arp(frame(THEIRS, ADDRESS, operation=9)) is None
    assert parse_arp(frame(THEIRS, ADDRESS)[:41]) is None
    assert parse_arp(b"\0" * 60) is None


@pytest.mark.parametrize(
    ("mac", "sender", "claimed"),
    [
        (THEIRS, ADDRESS, True),
        (THEIRS, bytes((192, 0, 2, 12)), False),
        (THEIRS, bytes(4), False),
        # Another interface of this machine may answer for it.
        (bytes.fromhex("525400123457"), ADDRESS, False),
        # The very MAC that asked: a clone's.
        (OURS, ADDRESS, True),
    ],
)
def test_who_claims_an_address(mac: bytes, sender: bytes, claimed: bool) -> None:
    (target,) = choose_targets((loopback(), eth0()))
    own = frozenset({OURS, bytes.fromhex("525400123457")})
    assert claims(target, (mac, sender), own) is claimed


def test_a_bond_may_hear_itself() -> None:
    bond = replace(eth0(), name="bond0", kind="bond", hardware=False)
    card = replace(eth0(), port_of="bond0", addresses=())
    (target,) = choose_targets((card, bond))
    assert target.interface == "bond0"
    assert not claims(target, (OURS, ADDRESS), frozenset({OURS}))


@pytest.mark.parametrize(
    "change",
    [
        {"up": False, "carrier": None},
        {"carrier": False},
        {"arp": False},
        {"mac": ""},
        {"mac": "80:00:02:08:fe:80:00:00:00:00:00:00:f4:52:14:03:00:7b:cb:a1"},
        {"addresses": (address("169.254.1.1/16"), address("2001:db8::1/64"))},
        {"addresses": ()},
    ],
)
def test_interfaces_that_are_not_asked_on(change: dict[str, object]) -> None:
    item: Interface = replace(eth0(), **change)  # type: ignore[arg-type]
    assert choose_targets((loopback(), item)) == ()


def test_the_number_of_addresses_is_bounded() -> None:
    many = interface("eth0", 2, *(f"192.0.2.{n}/24" for n in range(1, 100)))
    assert len(choose_targets((many,))) == ADDRESS_LIMIT


def test_offline_asks_nobody() -> None:
    answer = start_probes(Host(offline=True), (eth0(),))()
    assert isinstance(answer, Unknown)
    assert answer.reason == "not-asked"


def test_without_interfaces_there_is_nothing_to_ask() -> None:
    unknown = Unknown("failed", "no")
    assert start_probes(Host(), unknown)() is unknown
    assert start_probes(Host(), (loopback(),))() == ()

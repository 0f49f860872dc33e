"""The words of the matrix: versions, labels, what may not be opened."""

from __future__ import annotations

import pytest

from rules.cluster import Role
from rules.flows import EVERY_ROLE, Bind, Flow, Group, Protocol
from rules.version import Version


def flow(**changes: object) -> Flow:
    plain = Flow(
        "x",
        "thing",
        Protocol.TCP,
        (6443, 6443),
        frozenset({Group.NODES}),
        EVERY_ROLE,
        "because",
        "https://example.test/",
    )
    return plain.but(**changes)


@pytest.mark.parametrize(
    ("since", "until", "has"),
    [
        (None, None, [True, True, True]),
        (Version(1, 19), None, [False, True, True]),
        (None, Version(1, 19), [True, True, False]),
        (Version(1, 19), Version(1, 19), [False, True, False]),
        (Version(1, 20), Version(1, 21), [False, False, True]),
    ],
)
def test_a_row_applies_by_minor_and_both_bounds_count(
    since: Version | None, until: Version | None, has: list[bool]
) -> None:
    row = flow(since=since, until=until)
    asked = (Version(1, 18, 9), Version(1, 19, 16), Version(1, 20, 1))
    assert [row.applies_to(version) for version in asked] == has


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "6443/tcp"),
        ({"ports": (30000, 32767), "protocol": Protocol.UDP}, "30000-32767/udp"),
        ({"ports": None, "protocol": Protocol.VRRP}, "protocol 112 (vrrp)"),
        ({"ports": None, "protocol": Protocol.ICMPV6, "icmp_types": (133, 135)},
         "icmpv6 type 133,135"),
    ],
)  # fmt: skip
def test_a_label_is_how_a_person_writes_it(changes: dict[str, object], label: str) -> None:
    assert flow(**changes).label == label


def test_local_is_from_this_node_alone() -> None:
    assert flow(sources=frozenset({Group.SELF})).local
    assert not flow(sources=frozenset({Group.SELF, Group.PODS})).local
    assert flow(bind=Bind.LOOPBACK).loopback_only
    assert not flow(bind=Bind.NODE).loopback_only


def test_but_changes_the_named_fields_and_nothing_else() -> None:
    row = flow()
    other = row.but(roles=frozenset({Role.ETCD}))
    assert other.roles == frozenset({Role.ETCD})
    assert other.but(roles=row.roles) == row
    with pytest.raises(TypeError, match="colour"):
        row.but(colour="red")


def test_protocol_numbers_are_iana_s() -> None:
    numbers = {protocol.value: protocol.number for protocol in Protocol}
    assert numbers == {
        "icmp": 1, "ipip": 4, "tcp": 6, "udp": 17, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
        "icmpv6": 58, "vrrp": 112, "sctp": 132,
    }  # fmt: skip
    assert [p.value for p in Protocol if p.has_ports] == ["tcp", "udp", "sctp"]

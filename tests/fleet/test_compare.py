"""Cards side by side: each seeded fault is found, names its nodes, and nothing else is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model.known import Unknown
from preflight.facts.model.network import TimeSync
from preflight.finding import Status
from preflight.fleet.card import Card, Filed
from preflight.fleet.compare import COMPARISONS
from preflight.fleet.compare import clock as clocks
from preflight.fleet.deck import build
from tests.fleet.decks import CLUSTER, MADE, card, compared, filed, healthy, sealed, wrong


def test_a_healthy_cluster_has_no_fault_and_every_comparison_speaks() -> None:
    found = compared(healthy())
    assert {each.status for each in found} == {Status.PASS}
    # No card here was made on a cloud.
    assert {each.id for each in found} == set(COMPARISONS) - {"cloud-instance-unique"}


def _with(number: int, **changes: Any) -> list[Card]:
    cards = healthy()
    cards[number] = replace(cards[number], **changes)
    return cards


def _twin(field: str) -> list[Card]:
    """w7 with what w4 has in one field."""
    return _with(6, **{field: getattr(healthy()[3], field)})


@pytest.mark.parametrize(
    ("id", "field", "status"),
    [
        ("product-uuid-unique", "product_uuid", Status.FAIL),
        ("machine-id-unique", "machine_id", Status.FAIL),
        ("ssh-host-key-unique", "ssh_host_keys", Status.WARN),
        ("pod-cidrs-disjoint", "node_pod_subnets", Status.FAIL),
    ],
)
def test_what_two_nodes_share_is_one_finding_that_names_both(
    id: str, field: str, status: Status
) -> None:
    found = wrong(_twin(field))
    assert list(found) == [id]
    assert found[id].status is status
    assert found[id].nodes == ("w4", "w7")
    assert "w4 and w7" in found[id].message
    assert found[id].remedy


def test_a_sealed_value_is_not_shown() -> None:
    (found,) = wrong(_twin("machine_id")).values()
    value = healthy()[3].machine_id
    assert isinstance(value, str)
    assert value not in repr(found)


def test_the_machines_own_name_counts_where_the_node_has_another() -> None:
    # As Ansible's inventory calls a clone, which calls itself as its original does.
    found = wrong(_with(6, hostname="W4"))
    assert list(found) == ["hostname-unique"]
    assert (found["hostname-unique"].nodes, found["hostname-unique"].observed) == (
        ("w4", "w7"),
        "w4",
    )
    assert wrong(_with(6, hostname="w7.example.net")) == {}


def test_one_host_key_of_three_is_enough() -> None:
    keys = (sealed("other", 1), healthy()[3].ssh_host_keys[1])  # type: ignore[index]
    assert list(wrong(_with(6, ssh_host_keys=keys))) == ["ssh-host-key-unique"]


def test_a_shared_mac_and_a_shared_address_are_two_findings() -> None:
    found = wrong(_twin("interfaces"))
    assert set(found) == {"mac-unique", "address-duplicate"}
    assert found["mac-unique"].observed == "52:54:00:00:00:04"
    assert found["address-duplicate"].observed == "198.18.0.5"


def test_the_address_that_every_virtualbox_machine_has_is_passed_over() -> None:
    cards = [
        replace(
            one,
            interfaces=(
                *one.interfaces,  # type: ignore[misc]
                replace(one.interfaces[0], mac="", name="nat0", addresses=("10.0.2.15/24",)),  # type: ignore[index]
            ),
        )
        for one in healthy()
    ]
    assert wrong(cards) == {}
    as_node = [replace(one, addresses=("10.0.2.15",)) for one in cards]
    assert list(wrong(as_node)) == ["address-duplicate"]


def test_a_running_clone_is_no_second_card_of_its_original() -> None:
    original = healthy()[3]
    clone = replace(original, boot_id=sealed("boot-id", 999), collected="2026-11-23T12:00:05Z")
    found = wrong([*healthy(), clone])
    assert set(found) == {
        "hostname-unique",
        "mac-unique",
        "product-uuid-unique",
        "machine-id-unique",
        "ssh-host-key-unique",
        "address-duplicate",
    }
    # Both are called w4, so their files tell them apart.
    assert {each.nodes for each in found.values()} == {("w4 (3-w4.json)", "w4 (7-w4.json)")}


def test_a_second_card_of_the_same_boot_is_left_out_with_a_warning() -> None:
    later = replace(healthy()[3], collected="2026-11-23T13:00:00Z")
    found = wrong([*healthy(), later], MADE + 3605)
    assert list(found) == ["cards-usable"]
    assert found["cards-usable"].status is Status.WARN
    assert "cards/3-w4.json: is an older card of w4" in found["cards-usable"].message


def test_a_card_from_before_a_reboot_may_be_a_clones_and_that_is_unknown() -> None:
    later = replace(
        healthy()[3],
        boot_id=sealed("boot-id", 999),
        boot_time=healthy()[3].boot_time + 7200,  # type: ignore[operator]
        collected="2026-11-23T14:00:00Z",
    )
    found = wrong([*healthy(), later], MADE + 7205)
    assert list(found) == ["cards-usable"]
    assert found["cards-usable"].status is Status.UNKNOWN
    assert "or one of its clone" in found["cards-usable"].message


@pytest.mark.parametrize(
    ("id", "subject", "changes", "status"),
    [
        ("cluster-settings-agree", "podSubnet", {"pod_subnets": ("10.1.0.0/16",)}, Status.FAIL),
        ("cluster-settings-agree", "serviceSubnet", {"service_subnets": ()}, Status.FAIL),
        ("cluster-settings-agree", "dnsDomain", {"dns_domain": "k8s.example.net"}, Status.FAIL),
        ("cluster-settings-agree", "proxy mode", {"proxy_mode": "ipvs"}, Status.FAIL),
        (
            "cluster-settings-agree",
            "controlPlaneEndpoint",
            {"control_plane_endpoint": "192.0.2.1:6443"},
            Status.FAIL,
        ),
        ("pod-networks-agree", "pod network", {"cni_mode": "host-gw"}, Status.FAIL),
        ("mtus-agree", "MTU", {"mtu": 9000}, Status.FAIL),
        (
            "cgroup-drivers-agree",
            "the runtime's cgroup driver",
            {"runtime_cgroup_driver": "cgroupfs"},
            Status.FAIL,
        ),
        ("runtimes-agree", "container runtime", {"runtime": "cri-o 1.35.0"}, Status.WARN),
        ("time-zones-agree", "time zone", {"utc_offset_minutes": -210}, Status.WARN),
        ("version-skew", "kubelet 1.33", {"kubelet": "v1.33.9"}, Status.FAIL),
        ("version-skew", "kubelet 1.38", {"kubelet": "v1.38.0"}, Status.FAIL),
    ],
)
def test_what_must_agree(id: str, subject: str, changes: dict[str, Any], status: Status) -> None:
    found = wrong(_with(6, **changes))
    assert list(found) == [id]
    assert (found[id].subject, found[id].status, found[id].nodes) == (subject, status, ("w7",))


@pytest.mark.parametrize(
    "changes",
    [
        {"runtime": "containerd v2.3.4"},
        {"kubelet": "v1.34.2"},
        {"kubelet": None},
        {"product_uuid": None},
        {"mtu": 1500, "routes": ()},
    ],
)
def test_what_need_not_agree(changes: dict[str, Any]) -> None:
    assert wrong(_with(6, **changes)) == {}


def test_where_two_values_are_as_many_all_nodes_are_named() -> None:
    cards = healthy(1)
    half = [replace(one, mtu=9000) for one in cards[:2]] + cards[2:]
    (found,) = wrong(half).values()
    assert found.nodes == ("m3", "w4", "m1", "m2")
    assert found.message == "nodes differ in MTU: 1500 on m3 and w4; 9000 on m1 and m2"


@pytest.mark.parametrize(
    ("id", "field"),
    [
        ("machine-id-unique", "machine_id"),
        ("mtus-agree", "mtu"),
        ("version-skew", "kubelet"),
        ("pod-cidrs-disjoint", "node_pod_subnets"),
    ],
)
def test_what_a_card_does_not_tell_is_unknown_and_never_passes(id: str, field: str) -> None:
    cards = _with(6, **{field: Unknown("denied", "no")})
    found = wrong(cards)
    assert list(found) == [id]
    assert (found[id].status, found[id].nodes) == (Status.UNKNOWN, ("w7",))


@pytest.mark.parametrize(
    ("ranges", "names"),
    [
        ({3: ("10.9.0.0/24",), 4: ("10.9.0.128/25",)}, ("w4", "w5")),
        ({3: ("10.9.0.0/16",), 4: ("10.9.1.0/24",), 5: ("10.9.2.0/24",)}, ("w4", "w5", "w6")),
        ({3: ("fd00:1::/64",), 4: ("fd00:1::/80",)}, ("w4", "w5")),
    ],
)
def test_pod_ranges_that_overlap(ranges: dict[int, tuple[str, ...]], names: tuple[str]) -> None:
    cards = healthy()
    for place, subnets in ranges.items():
        cards[place] = replace(cards[place], node_pod_subnets=subnets)
    found = wrong(cards)
    assert list(found) == ["pod-cidrs-disjoint"]
    assert found["pod-cidrs-disjoint"].nodes == names


def test_two_ranges_of_one_node_are_not_for_this_check() -> None:
    assert wrong(_with(6, node_pod_subnets=("10.9.0.0/24", "10.9.0.0/25"))) == {}


@pytest.mark.parametrize(("masters", "ok"), [(1, True), (2, False), (3, True), (4, False)])
def test_an_even_number_of_etcd_members_is_a_warning(masters: int, ok: bool) -> None:
    role = "multi-master" if masters > 1 else "master"
    cards = [card(number, role) for number in range(1, masters + 1)] + [card(9)]
    assert list(wrong(cards)) == ([] if ok else ["etcd-members-odd"])


def test_external_members_count_in_place_of_masters() -> None:
    masters = [card(number, "multi-master", external_etcd=True) for number in (1, 2)]
    members = [card(number, "etcd", external_etcd=True) for number in (3, 4, 5)]
    workers = [card(6, external_etcd=True)]
    assert wrong([*masters, *members, *workers]) == {}
    assert list(wrong([*masters, *members[:2], *workers])) == ["etcd-members-odd"]
    assert wrong([*masters, *workers])["roles-complete"].subject == "etcd"


@pytest.mark.parametrize(
    ("roles", "status", "subject"),
    [
        (["worker", "worker"], Status.FAIL, "control plane"),
        (["master", "master", "master", "worker"], Status.FAIL, "control plane"),
        (["multi-master", "worker"], Status.WARN, "control plane"),
        (["master"], Status.WARN, "workers"),
        (["", "master", "worker"], Status.UNKNOWN, "unknown"),
    ],
)
def test_roles_that_make_no_cluster(roles: list[str], status: Status, subject: str) -> None:
    cards = [card(number, role) for number, role in enumerate(roles, 1)]
    (found,) = [
        each
        for each in compared(cards)
        if each.id == "roles-complete" and each.status is not Status.PASS
    ]
    assert (found.status, found.subject) == (status, subject)


def test_control_planes_more_than_one_minor_apart() -> None:
    cards = [card(1, "multi-master", kubernetes="1.35"), *healthy()[1:]]
    kubelets = [replace(one, kubelet="v1.35.0") for one in cards]
    found = wrong(kubelets)
    assert list(found) == ["version-skew"]
    assert found["version-skew"].nodes == ("m1",)
    assert wrong([replace(one, kubelet="v1.36.0") for one in _with(0, kubernetes="1.36")]) == {}


def _clock_findings(cards: list[Card], written: dict[int, float]) -> list[Any]:
    items = [
        Filed(one.card, one.source, written.get(place, one.written))
        for place, one in enumerate(filed(cards))
    ]
    return list(clocks.agree(build(items)))


def test_a_clock_that_is_five_minutes_ahead_of_its_file_is_off() -> None:
    found = wrong(_with(6, collected="2026-11-23T12:05:02Z"))
    assert list(found) == ["clocks-agree"]
    assert (found["clocks-agree"].status, found["clocks-agree"].nodes) == (Status.FAIL, ("w7",))
    assert "300 s after" in found["clocks-agree"].message


def test_a_clock_whose_own_service_says_that_it_is_off() -> None:
    found = wrong(_with(6, clock=TimeSync(True, "chrony", -300_000.0)))
    assert (found["clocks-agree"].status, found["clocks-agree"].nodes) == (Status.FAIL, ("w7",))


@pytest.mark.parametrize(
    ("clock", "collected", "status"),
    [
        (TimeSync(False, "kernel"), "2026-11-23T12:00:00Z", Status.PASS),
        (TimeSync(False, "kernel"), "2026-11-23T11:55:00Z", Status.UNKNOWN),
        (TimeSync(True, "chrony"), "2026-11-23T11:55:00Z", Status.PASS),
        (Unknown("denied", "no"), "yesterday", Status.UNKNOWN),
    ],
)
def test_a_card_that_is_older_than_the_others_tells_little(
    clock: Any, collected: str, status: Status
) -> None:
    (found,) = _clock_findings(_with(6, clock=clock, collected=collected), {})
    assert found.status is status


def test_a_card_of_another_cluster_is_named_and_the_rest_compared() -> None:
    found = wrong([*_twin("machine_id"), card(20, cluster="staging")])
    assert set(found) == {"cards-usable", "machine-id-unique"}
    assert "is of the cluster staging, and the others are of kubernetes" in (
        found["cards-usable"].message
    )
    assert build(filed([card(1), card(2, cluster="b")]), cluster="b").cards[0].card.node == "w2"


@pytest.mark.parametrize("count", [0, 1])
def test_one_card_is_nothing_to_compare_with(count: int) -> None:
    found = compared(healthy()[:count])
    (usable,) = [each for each in found if each.id == "cards-usable"]
    assert usable.status is Status.UNKNOWN
    assert not [each for each in found if each.id.endswith("unique") or "agree" in each.id]


def test_hundreds_of_clones_are_one_finding_with_all_their_names() -> None:
    cards = [card(number, machine_id="same") for number in range(4, 604)]
    (found,) = wrong([*healthy(0), *cards]).values()
    assert found.id == "machine-id-unique"
    assert len(found.nodes) == 600
    assert found.message == ("w4, w5, w6, w7, w8, w9 and 594 more have the machine ID in common")


def test_names_out_of_all_proportion_are_cut() -> None:
    cards = [card(number, node="x" * 10_000) for number in (4, 5)]
    found = wrong([*healthy(0), *cards])["hostname-unique"]
    assert len(found.message) < 400
    assert all(len(label) < 100 for label in found.nodes)


def test_seals_differ_by_cluster_and_kind() -> None:
    from preflight.fleet.seal import seal

    assert seal(CLUSTER, "machine-id", "x") == seal(CLUSTER, "machine-id", "x")
    assert len({seal(CLUSTER, "a", "x"), seal("b", "a", "x"), seal(CLUSTER, "b", "x")}) == 3

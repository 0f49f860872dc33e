from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.cni.problem import ERROR, WARNING, Context
from preflight.cni.ranges import parse_range, range_sets
from tests.cni.test_lint import bridge, codes, judge, local, only

SUBNET = "plugins[0].ipam.ranges[0][0].subnet"
CLUSTER = Context(
    pod_subnets=(ip_network("10.244.0.0/16"),),
    service_subnets=(ip_network("10.96.0.0/12"),),
)


def ranges(*items: dict[str, Any]) -> dict[str, Any]:
    """A bridge whose sets hold one range each."""
    return local(ranges=[[item] for item in items])


@pytest.mark.parametrize(
    ("subnet", "code"),
    [
        ("10.244.1.0/24", None),
        ("10.244.1.1/24", "host-bits"),
        ("10.244.1.0/30", None),
        ("10.244.1.0/31", "too-small"),
        ("10.244.1.0/32", "too-small"),
        ("fd00::/64", None),
        ("fd00::/126", None),
        ("fd00::/127", "too-small"),
        ("fd00::1/64", "host-bits"),
        ("10.244.1.0", "kind"),
        ("10.244.300.0/24", "kind"),
        (24, "kind"),
    ],
)
def test_subnets(subnet: Any, code: str | None) -> None:
    expected = [] if code is None else [(code, SUBNET, ERROR)]
    assert codes(judge(ranges({"subnet": subnet}))) == expected


def test_the_old_form_at_the_top_is_judged_too() -> None:
    problem = only(judge(local(subnet="10.244.1.9/24")))
    assert (problem.code, problem.place) == ("host-bits", "plugins[0].ipam.subnet")
    assert problem.remedy == 'write "subnet": "10.244.1.0/24"'


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"rangeStart": "10.244.1.10", "rangeEnd": "10.244.1.200"}, None),
        ({"rangeStart": "10.244.2.10"}, "range-bounds"),
        ({"rangeEnd": "10.244.2.10"}, "range-bounds"),
        ({"rangeStart": "10.244.1.20", "rangeEnd": "10.244.1.10"}, "range-bounds"),
        ({"rangeStart": "10.244.1.1", "rangeEnd": "10.244.1.1"}, "range-bounds"),
        ({"gateway": "10.244.1.254"}, None),
        ({"gateway": "10.244.2.1"}, "gateway-outside"),
        ({"gateway": "gw"}, "kind"),
    ],
)
def test_bounds_of_a_range(item: dict[str, Any], code: str | None) -> None:
    found = {problem.code for problem in judge(ranges({"subnet": "10.244.1.0/24", **item}))}
    assert found == ({code} if code else set())


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ({"subnet": "10.244.1.0/24"}, {"subnet": "10.244.2.0/24"}, False),
        ({"subnet": "10.244.1.0/24"}, {"subnet": "10.244.1.0/24"}, True),
        ({"subnet": "10.244.0.0/16"}, {"subnet": "10.244.7.0/24"}, True),
        ({"subnet": "10.244.1.0/24"}, {"subnet": "fd00::/64"}, False),
        (
            {"subnet": "10.244.1.0/24", "rangeEnd": "10.244.1.99"},
            {"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.100"},
            False,
        ),
        (
            {"subnet": "10.244.1.0/24", "rangeEnd": "10.244.1.100"},
            {"subnet": "10.244.1.0/24", "rangeStart": "10.244.1.100"},
            True,
        ),
    ],
)
def test_sets_do_not_overlap(first: dict[str, Any], second: dict[str, Any], clash: bool) -> None:
    found = [problem.code for problem in judge(ranges(first, second))]
    assert found == (["overlap"] if clash else [])


def test_overlap_and_mixed_families_within_one_set() -> None:
    one = [{"subnet": "10.244.1.0/24"}, {"subnet": "10.244.1.128/25"}]
    assert only(judge(local(ranges=[one]))).code == "overlap"
    mixed = [{"subnet": "10.244.1.0/24"}, {"subnet": "fd00::/64"}]
    assert only(judge(local(ranges=[mixed]))).code == "mixed-families"


@pytest.mark.parametrize(
    "ipam",
    [{}, {"ranges": []}, {"ranges": [[]]}, {"ranges": [[{"gateway": "10.244.1.1"}]]}],
)
def test_no_range_at_all(ipam: dict[str, Any]) -> None:
    assert {problem.code for problem in judge(local(**ipam))} == {"no-range"}


def test_ranges_that_the_runtime_hands_in() -> None:
    plugin = {**local(), "capabilities": {"ipRanges": True}}
    assert judge(plugin) == []


@pytest.mark.parametrize(
    "value", [{"subnet": "10.244.1.0/24"}, [{"subnet": "10.244.1.0/24"}], [["10.244.1.0/24"]]]
)
def test_ranges_of_the_wrong_shape(value: Any) -> None:
    assert "kind" in {problem.code for problem in judge(local(ranges=value))}


@pytest.mark.parametrize(
    ("subnet", "code", "level"),
    [
        ("10.244.1.0/24", None, ""),
        ("10.88.0.0/16", "outside-pods", ERROR),
        ("10.0.0.0/8", "outside-pods", ERROR),
        ("10.244.0.0/16", "whole-cluster", WARNING),
        ("10.96.0.0/24", "in-services", ERROR),
    ],
)
def test_place_in_the_cluster(subnet: str, code: str | None, level: str) -> None:
    found = [
        (problem.code, problem.level)
        for problem in judge(ranges({"subnet": subnet}), context=CLUSTER)
    ]
    assert ((code, level) in found) if code else found == []


def test_one_node_may_have_the_whole_range() -> None:
    alone = Context(pod_subnets=CLUSTER.pod_subnets, node_count=1)
    assert judge(ranges({"subnet": "10.244.0.0/16"}), context=alone) == []


def test_what_the_cluster_file_gives_this_node_counts() -> None:
    context = Context(
        pod_subnets=CLUSTER.pod_subnets, node_subnets=(ip_network("10.244.7.0/24"),), node_count=2
    )
    assert judge(ranges({"subnet": "10.244.7.0/24"}), context=context) == []
    problem = only(judge(ranges({"subnet": "10.244.1.0/24"}), context=context))
    assert problem.code == "outside-node"
    assert '"10.244.7.0/24"' in problem.remedy


def test_dual_stack_wants_both_families() -> None:
    both = Context(pod_subnets=(ip_network("10.244.0.0/16"), ip_network("fd00::/48")))
    four, six = {"subnet": "10.244.1.0/24"}, {"subnet": "fd00:0:0:1::/64"}
    assert judge(ranges(four, six), context=both) == []
    assert only(judge(ranges(four), context=both)).code == "family-missing"
    assert only(judge(ranges(six), context=both)).code == "family-missing"


def test_a_family_that_the_cluster_does_not_have_is_a_warning() -> None:
    problem = only(
        judge(ranges({"subnet": "10.244.1.0/24"}, {"subnet": "fd00::/64"}), context=CLUSTER)
    )
    assert (problem.code, problem.level) == ("outside-pods", WARNING)


@pytest.mark.parametrize(("prefix", "few"), [(24, False), (25, False), (26, True)])
def test_room_for_the_pods_of_the_kubelet(prefix: int, few: bool) -> None:
    context = Context(max_pods=110)
    found = [
        problem.code
        for problem in judge(ranges({"subnet": f"10.244.1.0/{prefix}"}), context=context)
    ]
    assert found == (["few-addresses"] if few else [])


def test_static_addresses() -> None:
    plugin = bridge(ipam={"type": "static", "addresses": [{"address": "10.244.1.5/24"}]})
    assert only(judge(plugin)).code == "static-addresses"
    assert only(judge(bridge(ipam={"type": "static"}))).code == "no-range"
    wrong = bridge(ipam={"type": "static", "addresses": [{"address": "10.244.1.5"}]})
    assert "kind" in {problem.code for problem in judge(wrong)}


def test_defaults_of_a_range() -> None:
    item = parse_range({"subnet": "10.244.1.0/24"}, "x")
    assert item is not None
    assert (str(item.start), str(item.end), str(item.gateway)) == (
        "10.244.1.1",
        "10.244.1.254",
        "10.244.1.1",
    )
    assert item.size == 253
    six = parse_range({"subnet": "fd00::/126"}, "x")
    assert six is not None
    assert six.end == ip_address("fd00::3")
    assert parse_range({"subnet": "usePodCidr"}, "x") is None
    assert parse_range({}, "x") is None


def test_sets_come_in_the_order_of_the_plugin() -> None:
    sets = range_sets({"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.2.0.0/24"}], 5, []]})
    assert [str(members[0].network) for members in sets] == ["10.1.0.0/24", "10.2.0.0/24"]

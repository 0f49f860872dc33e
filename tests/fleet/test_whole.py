"""A whole cluster of eight hosts and its faults: each found, laid at the right layer, and nothing
else is reported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.whole import FAULTS, Whole, answer
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
# What each fault is in the answer: (check, nodes at fault, words of the message).
_CLONE = ("hostname", "mac", "product-uuid", "machine-id", "ssh-host-key")
EXPECTED: dict[str, list[tuple[str, str, str]]] = {
    "clone": [
        *((f"{what}-unique", "w2 (card-clone.json) w2 (card-w2.json)", "") for what in _CLONE),
        ("address-duplicate", "w2 (card-clone.json) w2 (card-w2.json)", "192.0.2.22"),
    ],
    "firewall": [
        (
            "peer-reachable",
            "w1",
            "8472/udp (flannel) to w1 is filtered [the peer's packet filter] from",
        )
    ],
    "one-way": [
        (
            "peer-reachable",
            "m3",
            "2380/tcp (etcd) to m3 is filtered [the network between] from m1 and m2",
        )
    ],
    "rejected": [
        (
            "peer-reachable",
            "w3",
            "10250/tcp (kubelet) to w3 is rejected [the network between] from m1, m2",
        )
    ],
    "mtu": [("peer-reachable", "w4", "full packets between w4 and m1, m2, m3, w1")],
    "foreign": [
        (
            "peer-reachable",
            "m2",
            "10250/tcp (kubelet) to m2 is wrong-answerer [no listener] from m1, m3, w1",
        )
    ],
    "clock": [("clocks-agree", "m3", "the clock of m3 is 300 s behind the others'")],
    "cidrs": [("pod-cidrs-disjoint", "w1 w3", "would get the same addresses")],
}


def wrong(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in report["findings"] if each["status"] in ("fail", "warn", "unknown")]


def check(report: dict[str, Any], faults: tuple[str, ...]) -> None:
    """Every expected finding is there once, and no other."""
    found = wrong(report)
    assert report["verdict"] == ("not-ready" if faults else "ready"), found
    for id, nodes, words in [each for fault in faults for each in EXPECTED[fault]]:
        fits = [
            each
            for each in found
            if each["id"] == id
            and words in each["message"]
            and (each["nodes"][0] == nodes or " ".join(sorted(each["nodes"])) == nodes)
        ]
        assert len(fits) == 1, (id, nodes, words, found)
        found.remove(fits[0])
    assert found == []


# One by one they take a minute and a half; none and all at once are the quick part.
ALL = tuple(FAULTS)
QUICK: tuple[tuple[str, ...], ...] = ((), ALL)
EVERY = ((), *((fault,) for fault in ALL), ALL)


def test_each_fault_of_a_whole_cluster_is_found_and_nothing_else(tmp_path: Path) -> None:
    require_kernel("nft", "ssh-keygen")
    rounds = EVERY if os.environ.get("NODEPREP_FLEET_SWEEP") else QUICK
    places = Whole(tmp_path).rounds(*rounds)
    for place, faults in zip(places, rounds, strict=True):
        report = answer(place)
        check(report, faults)
        count = len(wrong(report))
        print(f"{', '.join(faults) or 'no fault'}: {count} findings, all of them expected")

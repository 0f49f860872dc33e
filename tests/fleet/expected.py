"""What each fault of the eight hosts is in the answer."""

from __future__ import annotations

import os
from typing import Any

from tests.fleet.eight import FAULTS

ALL = tuple(FAULTS)
# What stands for the labels of the clone and its original, in order.
_TWINS = "{twins}"
_CLONE = ("hostname", "mac", "product-uuid", "machine-id", "ssh-host-key")
# (check, nodes at fault, words of the message)
EXPECTED: dict[str, list[tuple[str, str, str]]] = {
    "clone": [
        *((f"{what}-unique", _TWINS, "") for what in _CLONE),
        ("address-duplicate", _TWINS, "192.0.2.22"),
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


def rounds(quick: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Which faults at once: none, each alone, and all; or the quick part of these."""
    if os.environ.get("NODEPREP_FLEET_SWEEP"):
        return ((), *((fault,) for fault in ALL), ALL)
    return quick


def wrong(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings that are not well."""
    return [each for each in report["findings"] if each["status"] in ("fail", "warn", "unknown")]


def check(report: dict[str, Any], faults: tuple[str, ...], twins: tuple[str, str]) -> None:
    """Every expected finding is there once, and no other."""
    found = wrong(report)
    assert report["verdict"] == ("not-ready" if faults else "ready"), found
    for id, place, words in [each for fault in faults for each in EXPECTED[fault]]:
        nodes = place.format(twins=" ".join(twins))
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
    print(f"{', '.join(faults) or 'no fault'}: {len(wrong(report))} findings, all of them expected")

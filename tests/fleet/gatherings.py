"""Directories as a run leaves them: cards and probe reports, with faults in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from preflight.fleet.card import Card
from tests.fleet.decks import healthy, write

HOSTILE = "<script>document.title=1</script>{{7*7}}<img src=//x.test>"
LONG = "n" * 10_000


def reach(
    peer: Card, port: int, protocol: str, outcome: str = "open", layer: str = "", detail: str = "ok"
) -> dict[str, Any]:
    return {
        "peer": peer.node,
        "peer_role": peer.role,
        "address": peer.addresses[0],
        "protocol": protocol,
        "port": port,
        "component": "kubelet" if protocol == "tcp" else "flannel",
        "flows": [],
        "outcome": outcome,
        "layer": layer,
        "warning": False,
        "detail": detail,
        "sent": 3,
        "answered": 3 * (outcome == "open"),
        "rtt_ms": 0.4,
        "clock_ms": 0.1 if outcome == "open" else None,
        "full_bytes": 1500,
        "forward_bytes": 1500,
        "back_bytes": 1500,
        "icmp": None,
    }


def report(sender: Card, reaches: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """As much of a ProbeReport as a fleet report reads."""
    return {
        "schema_version": 1,
        "kind": "ProbeReport",
        "node": sender.node,
        "role": sender.role,
        "started": "2026-11-23T12:00:00Z",
        "reaches": list(reaches),
    }


def gathering(place: Path, cards: list[Card]) -> None:
    """All pairs; nobody reaches port 8472/udp of w5, m1 does not reach w4's kubelet."""
    write(place, cards)
    for number, sender in enumerate(cards):
        reaches = []
        for peer in cards:
            if peer is sender:
                continue
            dead = peer.node == "w5"
            shut = (sender.node, peer.node) == ("m1", "w4")
            reaches += [
                reach(peer, 10250, "tcp", "rejected", "network", "192.0.2.1 says ICMP 3/13")
                if shut
                else reach(peer, 10250, "tcp"),
                reach(peer, 8472, "udp", "filtered", "peer-firewall", "silence; dropped by rule 7")
                if dead
                else reach(peer, 8472, "udp"),
            ]
        (place / f"probe-{number:05d}.json").write_text(json.dumps(report(sender, reaches)))


def seeded(place: Path) -> None:
    """The faults of a gathering, a clone, two pod ranges that overlap, and hostile names."""
    cards = healthy()
    cards[5] = replace(cards[5], machine_id=cards[3].machine_id)
    cards[6] = replace(
        cards[6], node=HOSTILE, node_pod_subnets=cards[4].node_pod_subnets, os=HOSTILE
    )
    cards.append(replace(healthy(5)[7], node=LONG))
    gathering(place, cards)

"""One run of probes: every errand, then the question to each peer, then the verdicts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from preflight.facts.codec import Mismatch, decode
from preflight.fleet.reach.filterview import FilterView
from preflight.fleet.reach.frames import ECHO
from preflight.fleet.reach.model import Errand, Inventory, Raw, Reach
from preflight.fleet.reach.prober import Prober, link_mtu
from preflight.fleet.reach.settle import Evidence, settle

# Probes wait most of the time; a host's own limits on sockets are far above this.
AT_ONCE = 24
# Ways by which a peer is asked before it is left at that.
_TRIED = 3


def reach_all(
    errands: Sequence[Errand],
    key: bytes,
    *,
    admits: Mapping[tuple[str, str], str] | None = None,
    done: Callable[[int], None] = lambda _: None,
) -> tuple[list[Reach], dict[str, Inventory | None]]:
    """The verdict on each errand, in their order, and what each peer's listener told, by its name.

    ``admits``: (peer's name, port label) -> the word of its card. ``done`` hears how many are done.
    """
    prober = Prober(key, link_mtu)
    view = FilterView()
    raws: list[Raw] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for raw in pool.map(prober.run, errands):
            raws.append(raw)
            done(len(raws))
        names = list(dict.fromkeys(raw.errand.peer.name for raw in raws))
        told = dict(zip(names, pool.map(lambda name: _ask(prober, raws, name), names), strict=True))
    cards = admits or {}
    return [_settled(raw, view, told, cards) for raw in raws], told


def _settled(
    raw: Raw,
    view: FilterView,
    told: Mapping[str, Inventory | None],
    cards: Mapping[tuple[str, str], str],
) -> Reach:
    errand = raw.errand
    rule = ""
    if not raw.answered:
        rule = view.outgoing(errand.address, errand.protocol, errand.port)
    return settle(
        raw,
        Evidence(
            own_rule=rule,
            own_addresses=view.addresses,
            inventory=told[errand.peer.name],
            admits=cards.get((errand.peer.name, errand.label), ""),
        ),
    )


def _ask(prober: Prober, raws: Sequence[Raw], name: str) -> Inventory | None:
    """Over TCP first, where any answer has room."""
    open_ways = [
        raw
        for raw in raws
        if raw.errand.peer.name == name and raw.answered and raw.errand.protocol not in ECHO
    ]
    for raw in sorted(open_ways, key=lambda raw: raw.errand.protocol != "tcp")[:_TRIED]:
        body = prober.ask(raw)
        if body is not None and (found := _inventory(body)) is not None:
            return found
    return None


def _inventory(body: bytes) -> Inventory | None:
    try:
        value: Any = json.loads(body)
        found: Inventory = decode(Inventory, value)
    except (ValueError, RecursionError, Mismatch):
        return None
    return found

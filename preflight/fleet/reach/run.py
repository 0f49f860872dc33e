"""One run of probes: every errand, then the question to each peer, then the verdicts."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from preflight.facts.codec import Mismatch, decode
from preflight.fleet.reach.filterview import FilterView
from preflight.fleet.reach.frames import ECHO
from preflight.fleet.reach.model import Errand, Inventory, Raw, Reach
from preflight.fleet.reach.prober import Prober, link_mtu
from preflight.fleet.reach.settle import Evidence, settle
from rules.cluster import IPAddress

# Probes wait most of the time; a host's own limits on sockets are far above this.
AT_ONCE = 24
# Linux lets one ICMP error a second go to a host, after the first six.
ICMP_PAUSE_S = 1.0
# Silent ports of one host that are tried again.
MOST_RETRIED = 4
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
        raws = _again(prober, _doubted(prober, raws, pool), pool)
        names = list(dict.fromkeys(raw.errand.peer.name for raw in raws))
        told = dict(zip(names, pool.map(lambda name: _ask(prober, raws, name), names), strict=True))
    cards = admits or {}
    return [_settled(raw, view, told, cards) for raw in raws], told


def _doubted(prober: Prober, raws: Sequence[Raw], pool: ThreadPoolExecutor) -> list[Raw]:
    """The better of two tries of what was silent, lossy or narrow: a fault is one that lasts.

    What somebody said, an ICMP error or a reset is certain the first time.
    """
    places = [place for place, raw in enumerate(raws) if _is_doubtful(raw)]
    second = pool.map(prober.run, [raws[place].errand for place in places])
    found = list(raws)
    for place, raw in zip(places, second, strict=True):
        found[place] = max(found[place], raw, key=_quality)
    return found


def _is_doubtful(raw: Raw) -> bool:
    if raw.answered:
        return raw.answered < raw.sent or 0 < min(raw.forward, raw.back) < raw.full
    return not (raw.icmp or raw.reset or raw.refused or raw.unreachable or raw.spoken)


def _quality(raw: Raw) -> tuple[bool, int, int]:
    return raw.answered > 0, min(raw.forward, raw.back), raw.answered - raw.sent


def _again(prober: Prober, raws: Sequence[Raw], pool: ThreadPoolExecutor) -> list[Raw]:
    """With another try, one after the other, of what was silent at hosts that refused something.

    A host sends few ICMP errors in a second (``icmp_ratelimit`` of the kernel's ip-sysctl), so a
    port that is closed looks filtered where several are.
    """
    refusing = {
        raw.errand.address
        for raw in raws
        if raw.icmp is not None and raw.icmp.sender == str(raw.errand.address)
    }
    silent: dict[IPAddress, list[int]] = defaultdict(list)
    for place, raw in enumerate(raws):
        mute = not (raw.answered or raw.icmp or raw.connected or raw.reset or raw.refused)
        if mute and not raw.unreachable and raw.errand.address in refusing:
            silent[raw.errand.address].append(place)
    found = list(raws)

    def retry(places: list[int]) -> None:
        for place in places[:MOST_RETRIED]:
            time.sleep(ICMP_PAUSE_S)
            found[place] = prober.run(raws[place].errand)

    list(pool.map(retry, silent.values()))
    return found


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

"""Cards as read -> the cards that are compared: one a machine, all of one cluster. Pure."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from preflight.facts.model.known import Unknown
from preflight.fleet.card import Card, Deck, Filed, Misfit, shown

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)Z", re.ASCII)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
AGAIN = "gather the cards of both again, in one go, or remove the one that is out of date"


def build(filed: Sequence[Filed], misfits: Iterable[Misfit] = (), *, cluster: str = "") -> Deck:
    """The deck of ``cluster``, or of the cluster that most cards are of.

    A second card of one machine is left out, the older of the two; a clone is no second card.
    """
    name = cluster or _most_common(item.card.cluster for item in filed)
    apart = list(misfits)
    own: list[Filed] = []
    for item in filed:
        if item.card.cluster == name:
            own.append(item)
        else:
            apart.append(_foreign(item, name))
    kept, doubles = _one_each(own)
    return Deck(name, tuple(_labelled(kept)), (*apart, *doubles))


def seconds(collected: str) -> float | None:
    """``2026-11-23T12:00:00Z`` in seconds since 1970; None for another form."""
    match = _TIME.fullmatch(collected)
    if match is None:
        return None
    year, month, day, *rest = map(int, match.groups())
    try:
        # By hand: strptime takes forty times as long, and a deck has 10,000 of them.
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    hours, minutes, seconds = rest
    return days * 86400.0 + hours * 3600 + minutes * 60 + seconds


def admitted(filed: Iterable[Filed]) -> dict[tuple[str, str], str]:
    """(node, port label) -> what its card says that its rules do: admitted, dropped, ..."""
    return {
        (item.card.node, label): word
        for item in filed
        if not isinstance(item.card.admits, Unknown)
        for label, word in item.card.admits.items()
    }


def sharing(deck: Deck) -> dict[str, tuple[str, ...]]:
    """Node or address -> the labels of all nodes that have that node's address as well."""
    owners: dict[str, list[Filed]] = defaultdict(list)
    for item in deck.cards:
        for address in item.card.addresses:
            owners[address].append(item)
    return {
        name: tuple(item.label for item in items)
        for address, items in owners.items()
        if len(items) > 1
        for name in (address, *(item.card.node for item in items))
    }


def _most_common(names: Iterable[str]) -> str:
    counts = Counter(names)
    return min(counts, key=lambda name: (-counts[name], name), default="")


def _foreign(item: Filed, name: str) -> Misfit:
    return Misfit(
        item.source,
        f"is of the cluster {shown(item.card.cluster)}, and the others are of {shown(name)}",
        "compare the cards of one cluster at a time; if it is of this one, give its node the "
        "same clusterName and make the card again",
        (shown(item.card.node),),
    )


def _machine(card: Card) -> tuple[object, ...]:
    """What two cards of one machine have alike, and those of two clones as well."""
    macs: tuple[str, ...] = ()
    if not isinstance(card.interfaces, Unknown):
        macs = tuple([item.mac for item in card.interfaces])
    return card.node, card.machine_id, card.product_uuid, card.addresses, macs


def _one_each(items: list[Filed]) -> tuple[list[Filed], list[Misfit]]:
    together: dict[tuple[object, ...], list[Filed]] = defaultdict(list)
    for item in items:
        together[_machine(item.card)].append(item)
    kept: list[Filed] = []
    misfits: list[Misfit] = []
    for alike in together.values():
        if len(alike) > 1:
            alike.sort(key=lambda item: (item.card.collected, item.source))
            newest, *older = _several(alike, misfits)
            kept += [newest, *older]
        else:
            kept += alike
    order = {id(item): place for place, item in enumerate(items)}
    return sorted(kept, key=lambda item: order[id(item)]), misfits


def _several(alike: list[Filed], misfits: list[Misfit]) -> list[Filed]:
    """Of cards that are alike, the oldest first: those of different machines, newest of each."""
    boots: dict[object, Filed] = {}
    for item in alike:
        boot = item.card.boot_id
        if (before := boots.get(boot)) is not None:
            misfits.append(_double(before, item))
        boots[boot] = item
    standing: list[Filed] = []
    for item in sorted(boots.values(), key=lambda item: item.card.collected, reverse=True):
        later = next((other for other in standing if not _at_once(item.card, other.card)), None)
        if later is None:
            standing.append(item)
        else:
            misfits.append(_maybe_double(item, later))
    return standing


def _at_once(earlier: Card, later: Card) -> bool:
    """Whether both were up at one moment, so that they are two machines."""
    end, begin = seconds(earlier.collected), later.boot_time
    if end is None or not isinstance(begin, float) or not isinstance(earlier.boot_id, str):
        return False
    return isinstance(later.boot_id, str) and begin < end


def _double(old: Filed, new: Filed) -> Misfit:
    return Misfit(
        old.source,
        f"is an older card of {shown(old.card.node)}: {new.source} is of the same boot",
        "remove it",
        (shown(old.card.node),),
        compared=True,
    )


def _maybe_double(old: Filed, new: Filed) -> Misfit:
    return Misfit(
        old.source,
        f"is alike in everything to {new.source}, whose machine was started later: it is an older "
        f"card of {shown(old.card.node)}, or one of its clone",
        AGAIN,
        (shown(old.card.node),),
    )


def _labelled(items: list[Filed]) -> list[Filed]:
    names = Counter(shown(item.card.node) for item in items)
    files = Counter((shown(item.card.node), os.path.basename(item.source)) for item in items)
    found = []
    for item in items:
        label = shown(item.card.node)
        if names[label] > 1 or not label:
            base = os.path.basename(item.source)
            file = base if files[label, base] == 1 else item.source
            label = f"{label} ({file})" if label else file
        found.append(Filed(item.card, item.source, item.written, label))
    return found

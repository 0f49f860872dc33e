"""Cards from files, directories and standard input: all that can be read, and what cannot."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from preflight.fleet.card import Card, Filed, Misfit
from preflight.fleet.cardfile import NotACard, parse
from rules.errors import ConfigError, UsageError
from rules.files import read_input

# A card has 3 KiB; one of a node with a thousand links has 200.
CARD_LIMIT_BYTES = 256 * 1024
# Of standard input: the cards of 10,000 nodes have 40 MiB.
STREAM_LIMIT_BYTES = 512 * 1024 * 1024
SUFFIX = ".json"


def read_cards(places: Iterable[str]) -> tuple[list[Filed], list[Misfit]]:
    """Every card of the files, the directories' ``*.json`` and ``-``, in that order.

    What is no card is a Misfit. Raises ConfigError for a place that is not there, UsageError where
    the places hold no file at all.
    """
    filed: list[Filed] = []
    misfits: list[Misfit] = []
    places = list(places)
    seen = False
    for path in _files(places):
        seen = True
        try:
            text = read_input(
                path, limit_bytes=STREAM_LIMIT_BYTES if path == "-" else CARD_LIMIT_BYTES
            )
        except ConfigError as error:
            misfits.append(Misfit(path, error.problem, "remove it, or make it readable"))
            continue
        read_text(path, text, filed, misfits)
    if not seen:
        raise UsageError(
            f"no card is in {', '.join(places)}; write one on each node with: nodeprep facts --card"
        )
    return filed, misfits


def read_text(path: str, text: str, filed: list[Filed], misfits: list[Misfit]) -> None:
    """Adds what the text of a file holds to the one or the other."""
    source = "standard input" if path == "-" else path
    written = None if path == "-" else _written(path)
    found = list(parse(text))
    for number, card in enumerate(found, 1):
        where = source if len(found) == 1 else f"{source} (card {number})"
        if isinstance(card, Card):
            filed.append(Filed(card, where, written))
        else:
            misfits.append(_misfit(where, card))


def _misfit(where: str, error: NotACard) -> Misfit:
    return Misfit(where, error.problem, error.remedy, (error.node,) if error.node else ())


def _files(places: Iterable[str]) -> Iterator[str]:
    for place in places:
        if place == "-":
            yield place
            continue
        path = Path(place)
        try:
            if path.is_dir():
                names = sorted(name for name in os.listdir(path) if _counts(name))
                yield from (os.path.join(place, name) for name in names)
                continue
            path.lstat()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ConfigError(place, f"cannot be read: {reason}") from None
        yield place


def _counts(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def _written(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None

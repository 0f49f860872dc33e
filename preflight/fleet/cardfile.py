"""The text of a card -> the card, or one line that says why it is none. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from preflight.facts.codec import Mismatch
from preflight.fleet.card import KIND, SCHEMA_VERSION, Card
from preflight.fleet.fastread import read
from rules.cluster import Role

MAKE = "make it again on the node: nodeprep facts --card > FILE"
_WHITE = " \t\r\n"
_ROLES = frozenset(role.value for role in Role)


class NotACard(Exception):
    """``problem`` in words, ``remedy`` for it, and the name that the card gives its node."""

    def __init__(self, problem: str, remedy: str = MAKE, node: str = "") -> None:
        super().__init__(problem)
        self.problem, self.remedy, self.node = problem, remedy, node


def parse(text: str) -> Iterator[Card | NotACard]:
    """The cards of a text, one after another; a broken one ends where the next begins.

    A card begins with ``{`` at the start of a line, as ``nodeprep facts --card`` writes it.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    place, length = _next(text, 0), len(text)
    if place == length:
        yield NotACard("is empty")
    while place < length:
        try:
            value, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            after = text.find("\n{", place + 1)
            piece = text[place : after if after >= 0 else None].rstrip()
            cut = piece.startswith("{") and not piece.endswith("}")
            yield NotACard(
                "is truncated" if cut else f"is not JSON: {error.msg} (line {error.lineno})"
            )
            place = after + 1 if after >= 0 else length
        except (RecursionError, ValueError) as error:
            yield NotACard(f"is not JSON that can be used: {str(error)[:100]}")
            after = text.find("\n{", place + 1)
            place = after + 1 if after >= 0 else length
        else:
            yield _card(value)
        place = _next(text, place)


def _next(text: str, place: int) -> int:
    while place < len(text) and text[place] in _WHITE:
        place += 1
    return place


def _card(value: Any) -> Card | NotACard:
    if not isinstance(value, dict) or value.get("kind") != KIND:
        return NotACard("is not a card")
    node = value.get("node")
    name = node if isinstance(node, str) else ""
    version = value.pop("schema_version", None)
    if type(version) is int and version > SCHEMA_VERSION:
        return NotACard(
            f"has schema_version {version}, and this nodeprep knows {SCHEMA_VERSION}",
            "compare with the nodeprep that wrote it, or a newer one",
            name,
        )
    if type(version) is not int or version != SCHEMA_VERSION:
        return NotACard(f"has another schema_version than {SCHEMA_VERSION}", node=name)
    del value["kind"]
    try:
        card: Card = read(Card, value)
    except Mismatch as error:
        return NotACard(f"{error.place}: {error.problem}", node=name)
    if card.role and card.role not in _ROLES:
        return NotACard(f"role: {card.role[:20]!r} is no role", node=name)
    return card


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON knows")

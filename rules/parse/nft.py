"""`nft -j list ruleset` (nft 1.0 and newer) -> Ruleset. Pure.

Source of the format: libnftables-json(5).
"""

from __future__ import annotations

import json
from typing import Any

from rules.errors import ConfigError
from rules.parse.nftparts import parts_of
from rules.parse.nftsets import named_set
from rules.parse.nfttext import rule_text
from rules.ruleset import Action, Base, Chain, PacketSet, Rule, Ruleset, Table


def parse_nft(text: str, *, source: str = "nft -j list ruleset") -> Ruleset:
    """The tables of an nft ruleset. Raises ConfigError for text that is not nft's JSON."""
    try:
        document = json.loads(text)
        objects = document["nftables"]
        if not isinstance(objects, list):
            raise TypeError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConfigError(
            source, "is not the JSON of nft; save it with `nft -j list ruleset`"
        ) from None
    tables: dict[tuple[str, str], _Table] = {}
    try:
        for item in objects:
            if isinstance(item, dict) and len(item) == 1:
                [(kind, body)] = item.items()
                if kind in ("table", "chain", "set", "map", "rule"):
                    _take(tables, kind, body)
        return Ruleset(tuple(table.made() for table in tables.values()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            source, f"is not a ruleset as nft prints it: {type(error).__name__} at {error}"
        ) from None


class _Table:
    """A table while its objects come in."""

    def __init__(self, family: str, name: str) -> None:
        self.family, self.name = family, name
        self.body: dict[str, Any] = {}
        self.chains: dict[str, dict[str, Any]] = {}
        self.rules: dict[str, list[dict[str, Any]]] = {}
        self.sets: dict[str, PacketSet] = {}

    def made(self) -> Table:
        chains = {name: self._chain(name, body) for name, body in self.chains.items()}
        return Table(
            backend="nft",
            family=self.family,
            name=self.name,
            chains=chains,
            sets=self.sets,
            handle=self.body.get("handle"),
            comment=str(self.body.get("comment", "")),
            dormant=_dormant(self.body.get("flags", ())),
        )

    def _chain(self, name: str, body: dict[str, Any]) -> Chain:
        rules = tuple(
            _rule(rule, number, self.sets)
            for number, rule in enumerate(self.rules.get(name, ()), start=1)
        )
        comment = str(body.get("comment", ""))
        return Chain(name, rules, _base(body), body.get("handle"), comment)


def _take(tables: dict[tuple[str, str], _Table], kind: str, body: dict[str, Any]) -> None:
    name = body["name"] if kind == "table" else body["table"]
    place = (str(body["family"]), str(name))
    if place not in tables:
        tables[place] = _Table(*place)
    table = tables[place]
    if kind == "table":
        table.body = body
    elif kind == "chain":
        table.chains[str(body["name"])] = body
    elif kind == "rule":
        table.rules.setdefault(str(body["chain"]), []).append(body)
    else:
        table.sets[str(body["name"])] = named_set(body)


def _dormant(flags: Any) -> bool | None:
    """None where the flags are not readable: nft 1.0 prints its own release's name for them."""
    words = [flags] if isinstance(flags, str) else list(flags)
    if "dormant" in words:
        return True
    return False if set(words) <= {"owner", "persist"} else None


def _base(body: dict[str, Any]) -> Base | None:
    if "hook" not in body:
        return None
    devices = body.get("dev", ())
    return Base(
        hook=str(body["hook"]),
        priority=int(body["prio"]),
        type=str(body.get("type", "filter")),
        policy=Action(body.get("policy", "accept")),
        devices=(devices,) if isinstance(devices, str) else tuple(devices),
    )


def _rule(body: dict[str, Any], number: int, sets: dict[str, PacketSet]) -> Rule:
    comment = str(body.get("comment") or "")
    expressions = body.get("expr", [])
    parts = tuple(part for item in expressions for part in parts_of(item, sets))
    return Rule(
        parts=parts,
        text=rule_text(expressions, comment),
        comment=comment,
        handle=body.get("handle"),
        number=number,
    )

"""What an expression needs of the packet before its statement is done: the headers that it reads,
an element of the map that it asks. Without them the kernel ends the rule there (NFT_BREAK), and
nft prints nothing of it where a statement, not a match, brings the need with it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.parse.nftkeys import dependencies, keys_of, name_of, plain_key
from rules.parse.nftsets import anonymous_set
from rules.parse.nfttext import statement_text
from rules.parse.nftvalues import NotModelled, datatype
from rules.ruleset import Key, Lookup, Match, PacketSet, Test, Unsupported

_TOP = (1 << 128) - 1
_ARITHMETIC = frozenset({"&", "|", "^", "<<", ">>", "concat"})


def needs(expression: Any, sets: Mapping[str, PacketSet]) -> tuple[Match, ...]:
    """Tests that hold where a value can be worked out; never raises for an unknown one."""
    if not isinstance(expression, dict) or len(expression) != 1:
        return ()
    [(kind, body)] = expression.items()
    try:
        if kind == "elem":
            return needs(body["val"], sets)
        if kind in _ARITHMETIC:
            return tuple(part for item in body for part in needs(item, sets))
        if kind == "map":
            return (_found(body, sets),)
        if kind == "jhash":
            return needs(body["expr"], sets)
        if kind in ("numgen", "symhash"):
            return ()
        return _header(kind, body)
    except (NotModelled, KeyError, TypeError, ValueError, IndexError, AttributeError):
        return (Unsupported(statement_text(expression)),)


def _header(kind: str, body: Any) -> tuple[Match, ...]:
    name = name_of(kind, body)
    try:
        datatype(name)
    except NotModelled:
        # A field that nobody reads is there with its header; of anything else nobody knows.
        if kind == "payload" and "protocol" in body and (found := dependencies(name)):
            return found
        raise
    [key] = keys_of({kind: body})
    return (present(key),)


def present(key: Key) -> Test:
    """Whether the packet has what the key reads."""
    every = "*" if datatype(key.name) == "ifname" else (0, _TOP)
    return Test(Key(key.name), (every,))


def _found(body: dict[str, Any], sets: Mapping[str, PacketSet]) -> Match:
    keys, data = keys_of(body["key"]), body["data"]
    if isinstance(data, str):
        return Lookup(keys, sets[data[1:]])
    lefts = [left for left, _ in data["set"]]
    if "*" in lefts:
        return present(keys[0])
    return Lookup(keys, anonymous_set(keys, lefts))


def tcp() -> Test:
    """What a statement on an option of TCP needs."""
    return Test(plain_key("meta l4proto"), ((6, 6),))

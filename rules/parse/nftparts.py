"""Expressions of `nft -j` -> parts of a rule. What is not modelled keeps its text. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from rules.parse.nftkeys import dependencies, keys_of, mark_source, name_of, plain_key
from rules.parse.nftneeds import needs, present, tcp
from rules.parse.nftsets import anonymous_set, data_set
from rules.parse.nfttext import statement_text
from rules.parse.nftvalues import NotModelled, datatype, number, parse_field
from rules.ruleset import (
    Action,
    Field,
    Key,
    Lookup,
    Nat,
    Note,
    PacketSet,
    Part,
    Range,
    SetMark,
    Test,
    Touch,
    Unsupported,
    UnsupportedStatement,
    Untrack,
    Verdict,
    VerdictMap,
)

Sets = Mapping[str, PacketSet]
_SILENT = frozenset(
    {"counter", "log", "ct helper", "ct timeout", "ct expectation", "secmark", "flow", "last"}
)
_HARMLESS = frozenset({"meta nftrace", "meta priority", "ct event", "ct label", "meta secmark"})
_ACTIONS = {
    "accept": Action.ACCEPT,
    "drop": Action.DROP,
    "return": Action.RETURN,
    "continue": Action.CONTINUE,
    "queue": Action.QUEUE,
}
_FLAG_TYPES = frozenset({"tcp_flag", "ct_state", "ct_status"})
_TOP = (1 << 128) - 1


def parts_of(expression: Any, sets: Sets) -> tuple[Part, ...]:
    """The parts of one expression of a rule; never raises for an unknown one."""
    try:
        return _parts(expression, sets)
    except (NotModelled, KeyError, TypeError, ValueError, IndexError, AttributeError):
        text = statement_text(expression)
        if isinstance(expression, str) and (found := _SET_TEXT.match(expression)):
            # nft 1.0 has no JSON for a map that packets fill, and prints the statement.
            return (Touch(found[1]), Unsupported(text))
        if isinstance(expression, dict) and "match" in expression:
            return _unsupported_match(expression["match"], text)
        if isinstance(expression, dict) and set(expression) <= {"limit", "quota", "ct count"}:
            return (Unsupported(text),)
        return (UnsupportedStatement(text),)


def _parts(expression: dict[str, Any], sets: Sets) -> tuple[Part, ...]:
    [(kind, body)] = expression.items()
    if kind == "match":
        return (_match(body, sets),)
    if kind == "reject":
        return (*_rejectable(body), Verdict(Action.REJECT))
    if kind in _ACTIONS:
        return (Verdict(_ACTIONS[kind]),)
    if kind in ("jump", "goto"):
        return (Verdict(Action(kind), body["target"]),)
    if kind in _SILENT:
        # Which counter it is may be asked of a map, and then one must be found.
        return (*needs(body, sets), Note(statement_text(expression)))
    if reader := _READERS.get(kind):
        return reader(kind, body, sets)
    if kind == "xt" and isinstance(body, dict) and body.get("type") == "match":
        return (Unsupported(statement_text(expression)),)
    if kind in ("limit", "quota", "ct count", "meter"):
        # What they answer depends on the packets before this one.
        return (Unsupported(statement_text(expression)),)
    raise NotModelled(kind)


def _unsupported_match(body: Any, text: str) -> tuple[Part, ...]:
    needed: tuple[Part, ...] = ()
    try:
        left = body["left"]
        while "&" in left:
            left = left["&"][0]
        [(kind, inner)] = left.items()
        needed = dependencies(name_of(kind, inner))
    except (NotModelled, KeyError, TypeError, ValueError, AttributeError):
        pass
    return (*needed, Unsupported(text))


def _match(body: dict[str, Any], sets: Sets) -> Test | Lookup:
    operator, right = body["op"], body["right"]
    keys = keys_of(body["left"])
    negated = operator in ("!=", "!")
    if isinstance(right, bool) and keys[0].name == "fib saddr oif":
        return Test(keys[0], ((0, 0),), negated is not right)
    if isinstance(right, str) and right.startswith("@"):
        return Lookup(keys, sets[right[1:]], negated)
    if isinstance(right, dict) and "set" in right:
        made = anonymous_set(keys, right["set"])
        if len(keys) == 1:
            fields = tuple(element.fields[0] for element in made.elements)
            return Test(keys[0], fields, negated)
        return Lookup(keys, made, negated)
    if len(keys) != 1:
        return Lookup(keys, anonymous_set(keys, [right]), negated)
    return _test(keys[0], operator, right)


def _test(key: Key, operator: str, right: Any) -> Test:
    kind = datatype(key.name)
    if operator in ("==", "!="):
        return Test(key, (parse_field(kind, right),), operator == "!=")
    if operator in ("in", "!"):
        # Flags: whether any of them is set, or none.
        if kind not in _FLAG_TYPES or key.mask is not None:
            raise NotModelled(operator)
        zero: tuple[Field, ...] = ((0, 0),)
        return Test(Key(key.name, number(kind, right)), zero, operator == "in")
    value = number(kind, right)
    ranges: dict[str, Range] = {
        "<": (0, value - 1),
        "<=": (0, value),
        ">": (value + 1, _TOP),
        ">=": (value, _TOP),
    }
    return Test(key, (ranges[operator],))


def _rejectable(body: Any) -> tuple[Part, ...]:
    """What the kind of answer implies and nft does not print: the family, or TCP."""
    kind = body.get("type") if isinstance(body, dict) else None
    implied = {
        "icmp": ("meta nfproto", 2),
        "icmpv6": ("meta nfproto", 10),
        "tcp reset": ("meta l4proto", 6),
    }.get(str(kind))
    if implied is None:
        return ()
    name, wanted = implied
    return (Test(plain_key(name), ((wanted, wanted),)),)


def _vmap(_kind: str, body: Any, sets: Sets) -> tuple[Part, ...]:
    keys, data = keys_of(body["key"]), body["data"]
    found = sets[data[1:]] if isinstance(data, str) else data_set(keys, data["set"], None)
    return (VerdictMap(keys, found),)


def _mangle(_kind: str, body: Any, sets: Sets) -> tuple[Part, ...]:
    [(kind, inner)] = body["key"].items()
    needed = needs(body["value"], sets)
    if kind == "tcp option":
        return (tcp(), *needed, Note(statement_text({"mangle": body})))
    name = name_of(kind, inner)
    if name in _HARMLESS:
        return (*needed, Note(statement_text({"mangle": body})))
    if name not in ("meta mark", "ct mark"):
        raise NotModelled(name)
    try:
        source, mask, xor = mark_source(body["value"])
    except (NotModelled, KeyError, TypeError, ValueError):
        return (*needed, SetMark(name, unknown=statement_text({"mangle": body})))
    if source is not None and source.name == "ct mark" != name:
        # Without a connection there is no such mark, and the rule ends.
        return (present(source), SetMark(name, source=source, source_mask=mask, xor=xor))
    if source is not None and source.name == name:
        return (SetMark(name, keep=mask, xor=xor),)
    return (SetMark(name, source=source, source_mask=mask, xor=xor),)


def _nat(kind: str, body: Any, sets: Sets) -> tuple[Part, ...]:
    body = body or {}
    family = {"ip": 4, "ip6": 6}.get(body.get("family", ""), 0)
    address, port = body.get("addr"), body.get("port")
    if isinstance(body.get("flags"), (str, list)) and "netmap" in body["flags"]:
        raise NotModelled("netmap")
    if isinstance(address, dict) and "map" in address:
        keys = keys_of(address["map"]["key"])
        data = address["map"]["data"]
        width = "ipv6_addr" if family == 6 else "ipv4_addr"
        if isinstance(data, str):
            found = sets[data[1:]]
        else:
            found = data_set(keys, data["set"], (width, "inet_service"))
        return (Nat(kind, ports=_ports(port), keys=keys, map=found, family=family),)
    return (Nat(kind, _addresses(address), _ports(port), family=family),)


def _addresses(value: Any) -> Range | None:
    if value is None:
        return None
    kind = "ipv6_addr" if ":" in _first_text(value) else "ipv4_addr"
    found = parse_field(kind, value)
    if isinstance(found, str):
        raise NotModelled(found)
    return found


def _first_text(value: Any) -> str:
    if isinstance(value, dict):
        value = value["range"][0] if "range" in value else value["prefix"]["addr"]
    return str(value)


def _ports(value: Any) -> Range | None:
    if value is None:
        return None
    found = parse_field("inet_service", value)
    if isinstance(found, str):
        raise NotModelled(found)
    return found


def _set_statement(_kind: str, body: Any, sets: Sets) -> tuple[Part, ...]:
    name = str(body["set"]).lstrip("@")
    parts: list[Part] = [*needs(body["elem"], sets), Touch(name)]
    if body["op"] != "delete" and sets[name].is_full:
        # Where the element is not in it yet the rule ends here (nft_dynset_eval).
        parts.append(Unsupported(f"{statement_text({'set': body})}: the set is full"))
    limits = [item for item in body.get("stmt", []) if set(item) & _LIMITS]
    return (*parts, *(Unsupported(statement_text(item)) for item in limits))


def _notrack(_kind: str, _body: Any, _sets: Sets) -> tuple[Part, ...]:
    return (Untrack(),)


_SET_TEXT = re.compile(r"(?:add|update|delete) @(\S+) \{")
_LIMITS = frozenset({"limit", "quota", "ct count"})
_READERS: dict[str, Callable[[str, Any, Sets], tuple[Part, ...]]] = {
    "vmap": _vmap,
    "mangle": _mangle,
    "dnat": _nat,
    "snat": _nat,
    "redirect": _nat,
    "masquerade": _nat,
    "set": _set_statement,
    "map": _set_statement,
    "notrack": _notrack,
}

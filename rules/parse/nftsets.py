"""Sets and maps of `nft -j`: named, anonymous, verdict and data. Pure."""

from __future__ import annotations

from typing import Any

from rules.parse.nftkeys import keys_of
from rules.parse.nftvalues import NotModelled, datatype, number, parse_field
from rules.ruleset import Action, Element, Key, PacketSet, Verdict

_KEY_TYPES = {"iface_index": "ifname", "classid": "integer", "boolean": "integer"}
_OBJECTS = frozenset({"counter", "ct helper", "ct timeout", "ct expectation", "secmark"})
_LIMITS = frozenset({"limit", "quota", "ct count"})
_VERDICTS = ("accept", "drop", "return", "continue", "jump", "goto", "queue")


def named_set(body: dict[str, Any]) -> PacketSet:
    """A ``set`` or ``map`` object. Contents that cannot be read make it unknown, not empty."""
    name = str(body["name"])
    try:
        kinds = _types(body["type"])
        data = _types(body["map"]) if "map" in body else ()
        values = body.get("elem", [])
        if data and data[0] in _OBJECTS:
            # Which of them it is changes nothing for the packet.
            values, data = [left for left, _ in values], ()
        elements, default = _elements(values, kinds, data)
    except (NotModelled, KeyError, TypeError, ValueError, IndexError) as error:
        what = str(error) if isinstance(error, NotModelled) else "an element"
        return PacketSet(name, (), f"set {name}: {what} is not modelled")
    is_full = len(elements) >= int(body.get("size", len(elements) + 1))
    return PacketSet(name, elements, default=default, is_full=is_full)


def anonymous_set(keys: tuple[Key, ...], values: list[Any]) -> PacketSet:
    """``{ 22, 80-90 }`` for these keys."""
    elements, _ = _elements(values, [datatype(key.name) for key in keys], ())
    return PacketSet("", elements)


def data_set(keys: tuple[Key, ...], values: list[Any], data: tuple[str, ...] | None) -> PacketSet:
    """``{ 22 : accept }``, or with ``data`` the types of ``{ 80 : 10.0.0.1 . 8080 }``."""
    kinds = [datatype(key.name) for key in keys]
    elements, default = _elements(values, kinds, data or ("verdict",))
    return PacketSet("", elements, default=default)


def _types(value: Any) -> list[str]:
    """``"ipv4_addr"``, ``["ipv4_addr", "inet_service"]``, ``"a . b"`` or a typeof expression."""
    if isinstance(value, dict):
        return [datatype(key.name) for key in keys_of(value.get("typeof", value))]
    parts = value.split(" . ") if isinstance(value, str) else list(value)
    return [_KEY_TYPES.get(part, part) for part in parts]


def _elements(
    values: list[Any], kinds: list[str], data: list[str] | tuple[str, ...]
) -> tuple[tuple[Element, ...], Element | None]:
    found: list[Element] = []
    default = None
    for value in values:
        left, right = value if data else (value, None)
        if left == "*":
            default = _element([], [], right, data)
            continue
        left = _bare(left)
        fields = left["concat"] if isinstance(left, dict) and "concat" in left else [left]
        if len(fields) != len(kinds):
            raise NotModelled("a concatenation")
        found.append(_element(fields, kinds, right, data))
    return tuple(found), default


def _bare(value: Any) -> Any:
    """An element without its counter, comment and timeout."""
    while isinstance(value, dict) and "elem" in value:
        if limits := _LIMITS & set(value["elem"]):
            # It depends on earlier packets whether such an element is found.
            raise NotModelled(f"an element with {', '.join(sorted(limits))}")
        value = value["elem"]["val"]
    return value


def _element(
    fields: list[Any], kinds: list[str], right: Any, data: list[str] | tuple[str, ...]
) -> Element:
    parsed = tuple(parse_field(kind, field) for kind, field in zip(kinds, fields, strict=True))
    if not data:
        return Element(parsed)
    if data[0] == "verdict":
        return Element(parsed, verdict=_verdict(right))
    right = _bare(right)
    values = right["concat"] if isinstance(right, dict) and "concat" in right else [right]
    return Element(
        parsed, data=tuple(number(kind, value) for kind, value in zip(data, values, strict=False))
    )


def _verdict(value: Any) -> Verdict:
    [(word, body)] = value.items()
    if word not in _VERDICTS:
        raise NotModelled(str(word))
    return Verdict(Action(word), body["target"] if word in ("jump", "goto") else "")

"""Facts to JSON values and back. Decoding checks every type and names the place of a wrong one."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Any, Union, get_args, get_origin, get_type_hints

from preflight.facts.model import Unknown

_IP_READERS: dict[frozenset[Any], Any] = {
    frozenset({IPv4Address, IPv6Address}): ip_address,
    frozenset({IPv4Network, IPv6Network}): ip_network,
    frozenset({IPv4Interface, IPv6Interface}): ip_interface,
}
_PLAIN = (str, int, float, bool)


class Mismatch(Exception):
    """A value of the wrong shape: ``place`` is a path such as ``network.interfaces[2].mtu``."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place, self.problem = place, problem


def encode(value: Any) -> Any:
    """A frozen value -> dicts, lists and plain values. Unknown becomes ``{"unknown": reason, ...}``."""
    if isinstance(value, Unknown):
        return {"unknown": value.reason, "message": value.message}
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    return value if value is None or isinstance(value, _PLAIN) else str(value)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def decode(kind: Any, value: Any, place: str = "") -> Any:
    """Plain values -> a value of ``kind`` (an annotation). Raises Mismatch."""
    origin = get_origin(kind)
    if origin is Union or origin is types.UnionType:
        return _decode_union(get_args(kind), value, place)
    if origin is tuple:
        return _decode_tuple(get_args(kind), value, place)
    if origin is dict:
        if not isinstance(value, dict):
            raise Mismatch(place, f"expected a mapping, found {_name(value)}")
        item_kind = get_args(kind)[1]
        return {str(key): decode(item_kind, item, f"{place}.{key}") for key, item in value.items()}
    if is_dataclass(kind):
        return _decode_dataclass(kind, value, place)
    if kind is type(None):
        if value is not None:
            raise Mismatch(place, f"expected null, found {_name(value)}")
        return None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise Mismatch(place, f"expected {_WORDS.get(kind, str(kind))}, found {_name(value)}")
    return value


def _decode_union(options: tuple[Any, ...], value: Any, place: str) -> Any:
    if Unknown in options and isinstance(value, dict) and "unknown" in value:
        reason, message = value["unknown"], value.get("message", "")
        if not isinstance(reason, str) or not isinstance(message, str):
            raise Mismatch(place, "an unknown fact has a reason and a message, both text")
        return Unknown(reason, message)
    if type(None) in options and value is None:
        return None
    rest = tuple(option for option in options if option not in (Unknown, type(None)))
    if reader := _IP_READERS.get(frozenset(rest)):
        if not isinstance(value, str):
            raise Mismatch(place, f"expected an address, found {_name(value)}")
        try:
            return reader(value)
        except ValueError as error:
            raise Mismatch(place, str(error)) from None
    if len(rest) == 1:
        return decode(rest[0], value, place)
    raise Mismatch(place, f"expected one of {rest}, found {_name(value)}")


def _decode_tuple(items: tuple[Any, ...], value: Any, place: str) -> Any:
    if not isinstance(value, list):
        raise Mismatch(place, f"expected a list, found {_name(value)}")
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(
            decode(items[0], item, f"{place}[{index}]") for index, item in enumerate(value)
        )
    if len(items) != len(value):
        raise Mismatch(place, f"expected {len(items)} values, found {len(value)}")
    return tuple(
        decode(item_kind, item, f"{place}[{index}]")
        for index, (item_kind, item) in enumerate(zip(items, value, strict=True))
    )


def _decode_dataclass(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(place or "the document", f"expected a mapping, found {_name(value)}")
    hints, prefix = _hints(kind), f"{place}." if place else ""
    names = {field.name for field in fields(kind)}
    for key in value:
        if key not in names:
            near = get_close_matches(str(key), names, 1)
            raise Mismatch(
                f"{prefix}{key}"[:200], f"unknown key{f'; did you mean {near[0]}?' if near else ''}"
            )
    arguments = {}
    for field in fields(kind):
        if field.name in value:
            arguments[field.name] = decode(
                hints[field.name], value[field.name], f"{prefix}{field.name}"
            )
        elif field.default is MISSING and field.default_factory is MISSING:
            raise Mismatch(f"{prefix}{field.name}", "is missing")
    return kind(**arguments)


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _name(value: Any) -> str:
    words = {dict: "a mapping", list: "a list", type(None): "null"}
    return words.get(type(value)) or _WORDS.get(type(value), type(value).__name__)

"""Facts to JSON values and back. Decoding checks every type and names the place of a wrong one."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
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
from math import isfinite
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from preflight.facts.model import Unknown

_IP_READERS: dict[frozenset[Any], Any] = {
    frozenset({IPv4Address, IPv6Address}): ip_address,
    frozenset({IPv4Network, IPv6Network}): ip_network,
    frozenset({IPv4Interface, IPv6Interface}): ip_interface,
    **{frozenset({kind}): kind for kind in (IPv4Address, IPv6Address)},
    **{frozenset({kind}): kind for kind in (IPv4Network, IPv6Network)},
    **{frozenset({kind}): kind for kind in (IPv4Interface, IPv6Interface)},
}
_PLAIN = (str, int, float, bool)
# The reasons that `Unknown` documents; a check's message rests on them.
REASONS = frozenset({"absent", "denied", "timeout", "failed", "not-asked"})
# No number of a node needs more than 64 bits; beyond, Python's own arithmetic turns slow.
_INT_LIMIT = 2**64
# Names of whole numbers that are never negative, and of those with a highest value.
_COUNTS = frozenset({"mtu", "cpus", "uid", "capabilities", "pid", "index", "metric", "writes"})
_HIGHEST = {"port": 65535, "ephemeral": 65535, "reserved": 65535}


class Mismatch(Exception):
    """A value of the wrong shape: ``place`` is a path such as ``network.interfaces[2].mtu``."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place, self.problem = place, problem


def encode(value: Any) -> Any:
    """A frozen value -> dicts, lists and plain values; Unknown is ``{"unknown": reason, ...}``."""
    if isinstance(value, Unknown):
        reason = value.reason if value.reason in REASONS else "failed"
        return {"unknown": reason, "message": _text(value.message)}
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {_text(str(key)): encode(item) for key, item in value.items()}
    if isinstance(value, str):
        return _text(value)
    return value if value is None or isinstance(value, _PLAIN) else str(value)


def _text(value: str) -> str:
    """File names that are no UTF-8 come with lone surrogates, which no JSON file may hold."""
    if value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode()


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
        return {
            decode(str, key, place): decode(item_kind, item, f"{place}.{_shown(key)}")
            for key, item in value.items()
        }
    if origin is Literal or (isinstance(kind, type) and issubclass(kind, Enum)):
        return _decode_word(kind, value, place)
    if is_dataclass(kind):
        return _decode_dataclass(kind, value, place)
    if reader := _IP_READERS.get(frozenset({kind})):
        return _decode_ip(reader, value, place)
    return _decode_plain(kind, value, place)


def _decode_plain(kind: Any, value: Any, place: str) -> Any:
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < _INT_LIMIT else value
    if type(value) is not kind:
        raise Mismatch(place, f"expected {_WORDS.get(kind, 'null')}, found {_name(value)}")
    if kind is int:
        _check_number(value, place)
    elif kind is float and not isfinite(value):
        raise Mismatch(place, f"{value} is not a number")
    elif kind is str and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Mismatch(place, "is not text: it holds half of a character") from None
    return value


def _check_number(value: int, place: str) -> None:
    if abs(value) >= _INT_LIMIT:
        raise Mismatch(place, "is larger than any number of a node")
    name = place.rpartition(".")[2].partition("[")[0]
    highest = _HIGHEST.get(name)
    counts = highest is not None or name in _COUNTS or name.endswith("_bytes")
    if counts and (value < 0 or (highest is not None and value > highest)):
        raise Mismatch(place, f"{value} is not possible")


def _decode_word(kind: Any, value: Any, place: str) -> Any:
    words = get_args(kind) or tuple(item.value for item in kind)
    if type(value) not in (str, int) or value not in words:
        known = ", ".join(map(repr, words))
        raise Mismatch(place, f"expected one of {known}, found {_shown(str(value))}")
    return value if get_origin(kind) is Literal else kind(value)


def _decode_ip(reader: Any, value: Any, place: str) -> Any:
    if not isinstance(value, str):
        raise Mismatch(place, f"expected an address, found {_name(value)}")
    try:
        return reader(value)
    except ValueError:
        raise Mismatch(place, f"{_shown(value)!r} is not what is wanted here") from None


def _decode_unknown(value: dict[str, Any], place: str) -> Unknown:
    reason, message = value["unknown"], value["message"]
    if not isinstance(reason, str) or reason not in REASONS:
        raise Mismatch(f"{place}.unknown", f"expected one of {', '.join(sorted(REASONS))}")
    return Unknown(reason, decode(str, message, f"{place}.message"))


def _decode_union(options: tuple[Any, ...], value: Any, place: str) -> Any:
    if Unknown in options and isinstance(value, dict) and value.keys() == {"unknown", "message"}:
        return _decode_unknown(value, place)
    if type(None) in options and value is None:
        return None
    rest = tuple(option for option in options if option not in (Unknown, type(None)))
    if reader := _IP_READERS.get(frozenset(rest)):
        return _decode_ip(reader, value, place)
    tried = [_attempt(option, value, place) for option in rest]
    fitting = [found for found in tried if not isinstance(found, Mismatch)]
    if fitting:
        return fitting[0]
    raise tried[0] if tried else Mismatch(place, f"expected null, found {_name(value)}")


def _attempt(kind: Any, value: Any, place: str) -> Any:
    try:
        return decode(kind, value, place)
    except Mismatch as error:
        return error


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
            near = get_close_matches(key[:100], names, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise Mismatch(f"{prefix}{_shown(key)}", f"unknown key{hint}")
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


def _shown(text: str) -> str:
    """A word of the file for a message: on one line, and short."""
    text = repr(text)[1:-1]
    return text if len(text) <= 60 else f"{text[:60]}..."


def _name(value: Any) -> str:
    words = {dict: "a mapping", list: "a list", type(None): "null"}
    return words.get(type(value)) or _WORDS.get(type(value), type(value).__name__)

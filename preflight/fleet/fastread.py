"""JSON values -> records, ten times as fast as ``preflight.facts.codec.decode`` where all is well.

Readers are made once from the annotations. One takes only what ``decode`` would take; whatever it
does not take is given to ``decode``, which says what is wrong and where, or takes it after all.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from math import isfinite
from typing import Any, Union, get_args, get_origin, get_type_hints

from preflight.facts.codec import decode
from preflight.facts.model.known import Unknown


class _NotFast(Exception):
    """A value that the fast way does not take."""


Reader = Callable[[Any], Any]


def read(kind: type, value: Any) -> Any:
    """A record of ``kind``. Raises ``codec.Mismatch`` with the place of what is wrong."""
    try:
        return _reader(kind)(value)
    except (_NotFast, TypeError, KeyError):
        return decode(kind, value)


@cache
def _reader(kind: Any) -> Reader:
    origin, items = get_origin(kind), get_args(kind)
    if origin is Union or origin is types.UnionType:
        return _union(items)
    if origin is tuple and len(items) == 2 and items[1] is Ellipsis:
        return _list(_reader(items[0]))
    if origin is dict:
        return _mapping(_reader(items[1]))
    if is_dataclass(kind):
        return _record(kind)
    return {str: _text, bool: _truth, int: _whole, float: _number, type(None): _null}[kind]


def _text(value: Any) -> str:
    # Half a character (a lone surrogate) is for the slow way to refuse.
    if type(value) is not str or not value.isascii():
        raise _NotFast
    return value


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise _NotFast
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise _NotFast
    return value


def _number(value: Any) -> float:
    if type(value) is not float or not isfinite(value):
        raise _NotFast
    return value


def _null(value: Any) -> None:
    if value is not None:
        raise _NotFast


def _union(items: tuple[Any, ...]) -> Reader:
    optional = type(None) in items
    rest = [item for item in items if item not in (Unknown, type(None))]
    if len(rest) != 1:

        def never(_: Any) -> Any:
            raise _NotFast

        return never
    inner = _reader(rest[0])

    def union(value: Any) -> Any:
        return None if optional and value is None else inner(value)

    return union


def _list(inner: Reader) -> Reader:
    def items(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise _NotFast
        return tuple([inner(item) for item in value])

    return items


def _mapping(inner: Reader) -> Reader:
    def mapping(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _NotFast
        return {_text(key): inner(item) for key, item in value.items()}

    return mapping


def _record(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = [(item.name, _reader(hints[item.name])) for item in fields(kind)]
    names = frozenset(hints)
    every = all(
        item.default is MISSING and item.default_factory is MISSING for item in fields(kind)
    )

    def whole(value: Any) -> Any:
        # Only with all its fields: defaults are for the slow way.
        if type(value) is not dict or value.keys() != names:
            raise _NotFast
        return kind(*[inner(value[name]) for name, inner in readers])

    def some(value: Any) -> Any:
        if type(value) is not dict or not value.keys() <= names:
            raise _NotFast
        return kind(**{name: inner(value[name]) for name, inner in readers if name in value})

    return whole if every else some

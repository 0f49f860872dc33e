"""Bicep: values as its language writes them. Pure.

https://learn.microsoft.com/en-us/azure/azure-resource-manager/bicep/data-types
"""

from __future__ import annotations

import re
from typing import Any

from rules.record import record

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {"'": "\\'", "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@record
class Symbol:
    """An expression of ours, written as it is: ``asg_worker.id``. Never of foreign words."""

    text: str


def quoted(text: str) -> str:
    """A string literal; nothing in it is interpolated."""
    out: list[str] = []
    for position, character in enumerate(text):
        if character in _ESCAPES:
            out.append(_ESCAPES[character])
        elif character == "$" and text[position + 1 : position + 2] == "{":
            out.append("\\$")
        elif character.isprintable():
            out.append(character)
        else:
            out.append(f"\\u{{{ord(character):x}}}")
    return f"'{''.join(out)}'"


def value(item: Any, indent: int = 0) -> str:
    """Any value; objects and lists over several lines."""
    space, inside = " " * indent, " " * (indent + 2)
    if isinstance(item, Symbol):
        return item.text
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, dict):
        lines = "".join(
            f"{inside}{_key(key)}: {value(inner, indent + 2)}\n" for key, inner in item.items()
        )
        return f"{{\n{lines}{space}}}" if item else "{}"
    if isinstance(item, (list, tuple)):
        lines = "".join(f"{inside}{value(inner, indent + 2)}\n" for inner in item)
        return f"[\n{lines}{space}]" if item else "[]"
    return quoted(str(item))


def _key(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else quoted(key)

"""Terraform's language: values and blocks as `terraform fmt` writes them. Pure.

https://developer.hashicorp.com/terraform/language/syntax/configuration
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rules.record import record

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PLAIN = re.compile(r"[A-Za-z0-9 .:,/_-]*")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@record
class Expression:
    """An expression of ours, written as it is: ``var.vpc_id``. Never of foreign words."""

    text: str


@record
class Block:
    """``kind "label" {...}``. ``body`` holds (name, value) pairs and blocks; None is left out."""

    kind: str
    labels: tuple[str, ...]
    body: tuple[Any, ...]


def provider(name: str, source: str, version: str) -> Block:
    """The block that says which provider a file needs, from which version on."""
    needed = {"source": source, "version": f">= {version}"}
    return Block("terraform", (), (Block("required_providers", (), ((name, needed),)),))


def variable(name: str, about: str) -> Block:
    """A variable that whoever uses the file sets: a word."""
    body = (("description", about), ("type", Expression("string")))
    return Block("variable", (name,), body)


def quoted(text: str) -> str:
    """A string literal. Nothing in it starts a template, and no character is a control one."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    out: list[str] = []
    for position, character in enumerate(text):
        if character in _ESCAPES:
            out.append(_ESCAPES[character])
        elif character in "$%" and text[position + 1 : position + 2] == "{":
            # As an escape: not every reader knows the doubled one in the key of a map.
            out.append(f"\\u{ord(character):04x}")
        elif character.isprintable():
            out.append(character)
        else:
            code = ord(character)
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return f'"{"".join(out)}"'


def value(item: Any, indent: int = 0) -> str:
    """A value; maps and lists of maps over several lines."""
    if isinstance(item, Expression):
        return item.text
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, (int, float)):
        return str(item)
    if isinstance(item, dict):
        if not item:
            return "{}"
        pairs = [(_key(key), inner) for key, inner in item.items()]
        return "{\n" + attributes(pairs, indent + 2) + " " * indent + "}"
    if isinstance(item, (list, tuple)):
        inside = [value(inner, indent) for inner in item]
        if sum(map(len, inside)) + indent <= 80:
            return f"[{', '.join(inside)}]"
        lines = "".join(f"{' ' * (indent + 2)}{text},\n" for text in inside)
        return f"[\n{lines}{' ' * indent}]"
    return quoted(str(item))


def attributes(pairs: Sequence[tuple[str, Any]], indent: int) -> str:
    """``name = value`` lines; neighbours of one line each have their ``=`` below each other."""
    lines: list[str] = []
    run: list[tuple[str, str]] = []

    def end() -> None:
        width = max((len(name) for name, _ in run), default=0)
        lines.extend(f"{' ' * indent}{name:<{width}} = {text}\n" for name, text in run)
        run.clear()

    for name, item in pairs:
        text = value(item, indent)
        if "\n" in text:
            end()
            lines.append(f"{' ' * indent}{name} = {text}\n")
        else:
            run.append((name, text))
    end()
    return "".join(lines)


def body(block: Block, indent: int = 2) -> str:
    """What stands between the braces of a block."""
    out: list[str] = []
    pairs: list[tuple[str, Any]] = []

    def end() -> None:
        if pairs:
            out.append(attributes(pairs, indent))
            pairs.clear()

    for item in block.body:
        if isinstance(item, Block):
            end()
            space = " " * indent
            out.append(f"{space}{head(item)} {{\n{body(item, indent + 2)}{space}}}\n")
        elif item[1] is not None:
            pairs.append(item)
    end()
    return "\n".join(out)


def head(block: Block) -> str:
    """``resource "kind" "name"``."""
    return " ".join([block.kind, *map(quoted, block.labels)])


def _key(key: str) -> str:
    return key if _IDENTIFIER.fullmatch(key) else quoted(key)

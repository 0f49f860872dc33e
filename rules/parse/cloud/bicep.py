"""Bicep -> resources: the part of the language that documents of groups are written in. Pure.

Objects, lists, strings without interpolation, numbers, truth values and names. Expressions and
loops are an error: what they give is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rules.errors import ConfigError
from rules.record import record

_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n,]+|//[^\n]*|/\*.*?\*/)"
    r"|(?P<string>'(?:[^'\\\n]|\\.)*')"
    r"|(?P<number>-?[0-9]+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_.]*(?:\(\)(?:\.[A-Za-z0-9_.]+)?)?)"
    r"|(?P<sign>[{}\[\]:=])",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}


@record
class Symbol:
    """A name that is no literal: ``asg_worker.id``."""

    text: str


@record
class BicepResource:
    """``resource SYMBOL 'KIND@VERSION' = {...}``."""

    symbol: str
    kind: str
    existing: bool
    values: dict[str, Any]


Token = tuple[str, str, int]


def resources(text: str, source: str) -> tuple[BicepResource, ...]:
    """Every resource of a file. Raises ConfigError, with the line, for what is not understood."""
    reader = _Reader(list(_tokens(text, source)), source)
    found: list[BicepResource] = []
    while (word := reader.next())[1]:
        if word[:2] == ("name", "param"):
            reader.parameter()
        elif word[:2] == ("name", "resource"):
            found.append(reader.resource())
        else:
            raise reader.wrong(word)
    return tuple(found)


def _tokens(text: str, source: str) -> Iterator[Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ConfigError(source, f"{text[position]!r} is not understood", line=line)
        kind = match.lastgroup or ""
        if kind != "space":
            yield kind, match[0], line
        line += match[0].count("\n")
        position = match.end()


class _Reader:
    def __init__(self, tokens: list[Token], source: str) -> None:
        self._tokens, self._at, self._source = tokens, 0, source

    def next(self) -> Token:
        self._at += 1
        if self._at > len(self._tokens):
            return "end", "", self._tokens[-1][2] if self._tokens else 1
        return self._tokens[self._at - 1]

    def wrong(self, token: Token) -> ConfigError:
        what = repr(token[1]) if token[1] else "the end"
        return ConfigError(self._source, f"{what} is not understood here", line=token[2])

    def expect(self, text: str) -> None:
        token = self.next()
        if token[1] != text:
            raise self.wrong(token)

    def parameter(self) -> None:
        for kind in ("name", "name"):
            token = self.next()
            if token[0] != kind:
                raise self.wrong(token)
        self.expect("=")
        self.value(self.next())

    def resource(self) -> BicepResource:
        symbol, kind = self.next(), self.next()
        if symbol[0] != "name" or kind[0] != "string":
            raise self.wrong(kind if symbol[0] == "name" else symbol)
        token = self.next()
        existing = token[:2] == ("name", "existing")
        if existing:
            token = self.next()
        if token[1] != "=":
            raise self.wrong(token)
        body = self.value(opening := self.next())
        if not isinstance(body, dict):
            raise self.wrong(opening)
        return BicepResource(symbol[1], self.text(kind).partition("@")[0], existing, body)

    def value(self, token: Token) -> Any:
        kind, text, _ = token
        if kind == "string":
            return self.text(token)
        if kind == "number":
            return int(text)
        if kind == "name":
            return {"true": True, "false": False, "null": None}.get(text, Symbol(text))
        if text == "[":
            return list(self.items())
        if text == "{":
            return dict(self.pairs())
        raise self.wrong(token)

    def items(self) -> Iterator[Any]:
        while (token := self.next())[1] != "]":
            yield self.value(token)

    def pairs(self) -> Iterator[tuple[str, Any]]:
        while (token := self.next())[1] != "}":
            if token[0] not in ("name", "string"):
                raise self.wrong(token)
            self.expect(":")
            yield (
                self.text(token) if token[0] == "string" else token[1],
                self.value(self.next()),
            )

    def text(self, token: Token) -> str:
        inside = token[1][1:-1]
        if re.search(r"(?<!\\)(?:\\\\)*\$\{", inside):
            raise ConfigError(self._source, "an interpolation is not understood", line=token[2])

        def plain(match: re.Match[str]) -> str:
            if match[1]:
                code = int(match[1], 16)
                return chr(code) if code < 0x110000 else "\ufffd"
            return _PLAIN.get(match[2], match[2])

        return _ESCAPE.sub(plain, inside)

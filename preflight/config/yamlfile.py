"""YAML text -> values that know their line. Safe by construction: no tag makes an object.

Built from libyaml's events and not from PyYAML's loader, which forgets lines, takes the last of
two equal keys, and follows nesting and aliases without a bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from rules.errors import ConfigError
from rules.files import read_input

# 10,000 nodes take about 1 MiB and 120,000 values.
FILE_LIMIT_BYTES = 8 * 1024 * 1024
MAX_VALUES = 1_000_000
MAX_ALIASED_VALUES = 10_000
# nodeprep.yaml needs 4 levels, kubeadm's files 6.
MAX_DEPTH = 32
_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep"
# What YAML 1.1 section 5.1 does not let a text hold.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\U00010000-\U0010ffff]")
_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
_NUMBER = re.compile(r"[-+]?(\d[\d_]*(\.[\d_]*)?([eE][-+]?\d+)?|\.\d+|0x[0-9a-fA-F]+|0o[0-7]+)")


class Scalar(NamedTuple):
    """A plain or quoted word. ``plain`` means unquoted: ``1.30``, ``yes`` and ``~`` have a type."""

    line: int
    text: str
    plain: bool

    @property
    def kind(self) -> str:
        """In a person's words: ``text``, ``a number``, ``true or false``, ``nothing``."""
        if not self.plain:
            return "text"
        if self.text in _NULLS:
            return "nothing"
        if self.text in _TRUE or self.text in _FALSE:
            return "true or false"
        return "a number" if _NUMBER.fullmatch(self.text) else "text"

    @property
    def truth(self) -> bool | None:
        """The boolean that it stands for, None if it is no boolean."""
        if not self.plain or (self.text not in _TRUE and self.text not in _FALSE):
            return None
        return self.text in _TRUE


class Sequence(NamedTuple):
    """A list."""

    line: int
    items: list[Any]
    kind: str = "a list"


class Entry(NamedTuple):
    """The value of a key, and the line of the key itself."""

    line: int
    value: Any


class Mapping(NamedTuple):
    """Keys and values. ``repeated``: keys that came again, as (key, line, line of the first)."""

    line: int
    entries: dict[str, Entry]
    repeated: list[tuple[str, int, int]]
    kind: str = "a mapping"


Value = Scalar | Sequence | Mapping


def read_documents(path: str) -> list[Value]:
    """The documents of a file that the operator named, empty ones left out."""
    text = read_input(path, limit_bytes=FILE_LIMIT_BYTES)
    return parse_documents(text, "standard input" if path == "-" else path)


def parse_documents(text: str, source: str) -> list[Value]:
    """The documents of a text, empty ones left out.

    Raises ConfigError with the line for text that is not YAML, for aliases, nesting and size
    beyond the bounds above, and for tags that would make something other than plain values.
    """
    if bad := _FORBIDDEN.search(text):
        raise ConfigError(
            source,
            f"holds the character U+{ord(bad.group()):04X}, which no YAML text may",
            line=text.count("\n", 0, bad.start()) + 1,
        )
    found: list[Value] = []
    builder = _Builder(source)
    for event in _events(text, source):
        document = builder.take(event)
        if document is not None and not (
            isinstance(document, Scalar) and document.kind == "nothing"
        ):
            found.append(document)
    return found


def _events(text: str, source: str) -> Iterator[Any]:
    import yaml

    try:
        yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        problem = " ".join(str(error.problem or error.context).split())
        if "nesting depth" in problem:
            # libyaml reads ahead, and since PyYAML 6.0.4 stops at 1,000 levels by itself.
            raise ConfigError(source, _TOO_DEEP, line=line) from None
        lines = text.splitlines()
        if line is not None and line <= len(lines) and re.match(r" *\t", lines[line - 1]):
            problem = "is indented with a tab; YAML takes spaces only"
        raise ConfigError(source, f"is not YAML: {problem}", line=line) from None
    except yaml.YAMLError as error:
        raise ConfigError(source, f"is not YAML: {' '.join(str(error).split())}") from None


class _Open:
    """A list or mapping whose end has not come yet."""

    __slots__ = ("anchor", "key", "merged", "value", "weight")

    def __init__(self, value: Sequence | Mapping, anchor: str | None) -> None:
        self.value, self.anchor = value, anchor
        self.key: Scalar | None = None
        self.merged: list[Mapping] = []
        self.weight = 1

    def put(self, key: Scalar, value: Value) -> None:
        """Takes a key with its value; ``<<`` is YAML 1.1's merge key, as in kubeadm's library."""
        assert isinstance(self.value, Mapping)  # noqa: S101  (only a mapping waits for a value)
        if key.plain and key.text == "<<":
            sources = value.items if isinstance(value, Sequence) else [value]
            self.merged += [source for source in sources if isinstance(source, Mapping)]
            return
        if (first := self.value.entries.get(key.text)) is not None:
            self.value.repeated.append((key.text, key.line, first.line))
        self.value.entries[key.text] = Entry(key.line, value)

    def close(self) -> Value:
        """The finished value; keys of its own beat merged ones."""
        for source in self.merged:
            for name, entry in source.entries.items():
                self.value.entries.setdefault(name, entry)  # type: ignore[union-attr]
        return self.value


class _Builder:
    """Takes events one by one; keeps open lists and mappings on a stack of its own."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Value, int] | None] = {}
        self._values = self._aliased = 0

    def take(self, event: Any) -> Value | None:
        """The document that this event completes, else None."""
        name = type(event).__name__
        if name == "ScalarEvent":
            value = Scalar(event.start_mark.line + 1, event.value, self._plain(event))
            return self._add(value, 1, event.anchor)
        if name == "MappingStartEvent":
            self._open(Mapping(event.start_mark.line + 1, {}, []), event)
        elif name == "SequenceStartEvent":
            self._open(Sequence(event.start_mark.line + 1, []), event)
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            done = self._stack.pop()
            return self._add(done.close(), done.weight, done.anchor)
        elif name == "AliasEvent":
            return self._alias(event)
        elif name == "DocumentStartEvent":
            self._anchors = {}
        return None

    def _fail(self, event: Any, problem: str) -> ConfigError:
        return ConfigError(self._source, problem, line=event.start_mark.line + 1)

    def _plain(self, event: Any) -> bool:
        if event.tag is None:
            return bool(event.implicit[0])
        self._check_tag(event)
        return not (event.tag == "!" or event.tag.endswith(":str"))

    def _check_tag(self, event: Any) -> None:
        if event.tag not in (None, "!", *_CORE_TAGS):
            raise self._fail(event, f"the tag {event.tag[:60]!r} is not allowed")

    def _open(self, value: Sequence | Mapping, event: Any) -> None:
        self._check_tag(event)
        if len(self._stack) == MAX_DEPTH:
            raise self._fail(event, _TOO_DEEP)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(value, event.anchor))

    def _alias(self, event: Any) -> Value | None:
        if event.anchor not in self._anchors:
            raise self._fail(event, "an alias (*) refers to an anchor (&) that is not there")
        target = self._anchors[event.anchor]
        if target is None:
            raise self._fail(event, "an alias (*) refers to the very value that it is in")
        value, weight = target
        self._aliased += weight
        if self._aliased > MAX_ALIASED_VALUES:
            raise self._fail(event, f"aliases (*) repeat more than {MAX_ALIASED_VALUES} values")
        return self._add(value, weight, None)

    def _add(self, value: Value, weight: int, anchor: str | None) -> Value | None:
        """Puts a complete value where it belongs: a document, an item, a key or a key's value."""
        if anchor is not None:
            self._anchors[anchor] = (value, weight)
        self._values += 1
        if self._values > MAX_VALUES:
            raise ConfigError(self._source, f"holds more than {MAX_VALUES} values", line=value.line)
        if not self._stack:
            return value
        parent = self._stack[-1]
        parent.weight += weight
        holder = parent.value
        if isinstance(holder, Sequence):
            holder.items.append(value)
        elif parent.key is None:
            if not isinstance(value, Scalar):
                raise ConfigError(
                    self._source, f"a key is {value.kind}; keys are words", line=value.line
                )
            parent.key = value
        else:
            parent.put(parent.key, value)
            parent.key = None
        return None

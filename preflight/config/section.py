"""A mapping of a configuration file, read key by key with the type that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeVar

from preflight.config.values import shown
from preflight.config.yamlfile import Mapping, Scalar, Sequence, Value
from rules.errors import ConfigError

T = TypeVar("T")
# Known keys: a table for a mapping, a list of one table for a list of mappings, None for any value.
Fields = dict[str, Any]


class Section:
    """A mapping with its place. Each reader gives None for a key that is not there.

    ``strict`` (nodeprep.yaml): unknown and repeated keys, empty values and text that YAML takes
    for a number are errors. Otherwise as kubeadm does it: unknown and repeated keys go to
    ``warnings``, empty values count as absent, and words are taken as they are written.
    """

    def __init__(
        self, source: str, mapping: Mapping, *, strict: bool, key: str = "", warnings: list[str]
    ) -> None:
        self.source, self.line, self.key = source, mapping.line, key
        self.strict, self.warnings = strict, warnings
        self._mapping = mapping

    def place(self, key: str) -> str:
        """The full name of a key of this section: ``nodes[3].name``."""
        return f"{self.key}.{key}" if self.key else key

    def line_of(self, key: str) -> int:
        """The line of a key's value, or of the section where the key is not there."""
        entry = self._mapping.entries.get(key)
        return entry.value.line if entry else self.line

    def fail(self, key: str, problem: str) -> ConfigError:
        """The error for the value of a key."""
        return ConfigError(self.source, problem, line=self.line_of(key), key=self.place(key))

    def warn(self, key: str, problem: str, *, line: int | None = None) -> None:
        """Notes something odd that does not stop the run."""
        where = line or self.line_of(key)
        self.warnings.append(f"{self.source}:{where}: {self.place(key)}: {problem}")

    def known(self, fields: Fields) -> Section:
        """Judges every key of this section and of the mappings in it against the known ones."""
        self._check_keys(fields, self._mapping, self.key)
        return self

    def _check_keys(self, fields: Fields, mapping: Mapping, place: str) -> None:
        prefix = f"{place}." if place else ""
        for key, line, first in mapping.repeated:
            self._odd_key(prefix, key, line, f"is there twice, first in line {first}")
        for key, entry in mapping.entries.items():
            if key not in fields:
                self._odd_key(prefix, key, entry.line, f"unknown key{_nearest(key, fields)}")
                continue
            inner, value = fields[key], entry.value
            if isinstance(inner, dict) and isinstance(value, Mapping):
                self._check_keys(inner, value, f"{prefix}{key}")
            elif isinstance(inner, list) and isinstance(value, Sequence):
                for index, item in enumerate(value.items):
                    if isinstance(item, Mapping):
                        self._check_keys(inner[0], item, f"{prefix}{key}[{index}]")

    def _odd_key(self, prefix: str, key: str, line: int, problem: str) -> None:
        name = prefix + (key if key.isidentifier() and len(key) < 60 else shown(key))
        if self.strict:
            raise ConfigError(self.source, problem, line=line, key=name)
        self.warnings.append(f"{self.source}:{line}: {name}: {problem}")

    def value(self, key: str) -> Value | None:
        """Whatever is there. An empty value is an error, or absent where not ``strict``."""
        entry = self._mapping.entries.get(key)
        if entry is None:
            return None
        found: Value = entry.value
        if isinstance(found, Scalar) and found.kind == "nothing":
            if self.strict:
                raise self.fail(key, "is empty; give a value or leave the line out")
            return None
        return found

    def has(self, key: str) -> bool:
        """Whether there is a value."""
        return self.value(key) is not None

    def word(self, key: str, read: Callable[[str], T], *, typed: bool = True) -> T | None:
        """A word, read by ``read``. ``typed`` False: ``1.30`` and ``30000`` are words too."""
        found = self.value(key)
        if found is None or (not self.strict and found == Scalar(found.line, "", False)):
            return None
        return self._read(key, found, read, typed)

    def text(self, key: str, read: Callable[[str], T]) -> T | None:
        """As ``word``, where an empty text in quotes means something and is not absent."""
        found = self.value(key)
        return None if found is None else self._read(key, found, read, True)

    def _read(self, key: str, found: Value, read: Callable[[str], T], typed: bool) -> T:
        if not isinstance(found, Scalar):
            raise self._wrong(key, found, "text")
        if self.strict and typed and found.kind != "text":
            raise self._wrong(key, found, "text", "; put it in quotes")
        try:
            return read(found.text)
        except ValueError as error:
            raise ConfigError(
                self.source, str(error), line=found.line, key=self.place(key)
            ) from None

    def truth(self, key: str) -> bool | None:
        """True or false."""
        found = self.value(key)
        if found is None:
            return None
        truth = found.truth if isinstance(found, Scalar) else None
        if truth is None:
            raise self._wrong(key, found, "true or false")
        return truth

    def number(self, key: str, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``."""
        found = self.value(key)
        if found is None:
            return None
        if not isinstance(found, Scalar) or found.kind != "a number":
            raise self._wrong(key, found, "a whole number")
        text = found.text
        if not (text.isascii() and text.isdigit() and len(text) < 12 and str(int(text)) == text):
            raise self.fail(key, f"{shown(text)} is not a whole number from {low} to {high}")
        if not low <= int(text) <= high:
            raise self.fail(key, f"{text} is not from {low} to {high}")
        return int(text)

    def words(self, key: str, read: Callable[[str], T]) -> tuple[T, ...] | None:
        """A list of words, each read by ``read``; what comes again is left out."""
        found = self.value(key)
        if found is None:
            return None
        if not isinstance(found, Sequence):
            hint = "; put [ ] around it" if isinstance(found, Scalar) else ""
            raise self._wrong(key, found, "a list", hint)
        read_items = (
            self._read(f"{key}[{index}]", item, read, True)
            for index, item in enumerate(found.items)
        )
        return tuple(dict.fromkeys(read_items))

    def section(self, key: str) -> Section | None:
        """The mapping under a key."""
        found = self.value(key)
        if found is None:
            return None
        if not isinstance(found, Mapping):
            raise self._wrong(key, found, "a mapping")
        return self._inner(found, key)

    def sections(self, key: str) -> list[Section] | None:
        """The list of mappings under a key."""
        found = self.value(key)
        if found is None:
            return None
        if not isinstance(found, Sequence):
            raise self._wrong(key, found, "a list")
        inner = []
        for index, item in enumerate(found.items):
            if not isinstance(item, Mapping):
                raise self._wrong(f"{key}[{index}]", item, "a mapping")
            inner.append(self._inner(item, f"{key}[{index}]"))
        return inner

    def _inner(self, mapping: Mapping, key: str) -> Section:
        return Section(
            self.source,
            mapping,
            strict=self.strict,
            key=self.place(key),
            warnings=self.warnings,
        )

    def _wrong(self, key: str, found: Value, wanted: str, hint: str = "") -> ConfigError:
        problem = f"expected {wanted}, found {found.kind}{hint}"
        return ConfigError(self.source, problem, line=found.line, key=self.place(key))


def _nearest(key: str, fields: Fields) -> str:
    for name, inner in fields.items():
        if isinstance(inner, dict) and key in inner:
            return f"; it belongs under {name}"
    lowered = {name.lower(): name for name in fields}
    near = get_close_matches(key.lower()[:100], lowered, 1, cutoff=0.6)
    return f"; did you mean {lowered[near[0]]}?" if near else ""

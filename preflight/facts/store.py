"""A node's facts as a file: `nodeprep facts -o json` writes it, `check --facts` reads it."""

from __future__ import annotations

import json
from typing import Any

from preflight.facts.codec import Mismatch, decode, encode
from preflight.facts.model import Facts
from rules.errors import ConfigError
from rules.files import read_input

SCHEMA_VERSION = 1
KIND = "Facts"


def document(facts: Facts) -> dict[str, Any]:
    """The facts with the envelope that every JSON of nodeprep carries."""
    return {"schema_version": SCHEMA_VERSION, "kind": KIND, **encode(facts)}


def load(path: str) -> Facts:
    """Reads a facts file. Raises ConfigError that names the file and the place in it."""
    text = read_input(path)
    path = "standard input" if path == "-" else path
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_whole,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as error:
        raise ConfigError(path, f"is not JSON: {error.msg}", line=error.lineno) from None
    except RecursionError:
        raise ConfigError(path, "is nested too deep to be a facts file") from None
    except ValueError as error:
        raise ConfigError(path, f"is not JSON that can be used: {error}") from None
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise ConfigError(path, "is not a facts file; make one with: nodeprep facts -o json > FILE")
    schema = value.pop("schema_version", None)
    if type(schema) is not int or schema != SCHEMA_VERSION:
        raise ConfigError(
            path,
            f"has another schema_version than {SCHEMA_VERSION}; use the nodeprep that wrote it",
        )
    del value["kind"]
    try:
        facts: Facts = decode(Facts, value)
    except Mismatch as error:
        raise ConfigError(path, error.problem, key=error.place) from None
    return facts


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON knows")


def _whole(text: str) -> int:
    # 20 digits hold any 64-bit number; the time that int() takes grows with the square.
    if len(text) > 20:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:60]!r} is there twice")
            seen.add(key)
    return found

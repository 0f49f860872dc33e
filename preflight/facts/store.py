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
    try:
        value = json.loads(read_input(path), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ConfigError(path, f"is not JSON: {error.msg}", line=error.lineno) from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(path, f"is not JSON that can be used: {error}") from None
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise ConfigError(path, "is not a facts file; make one with: nodeprep facts -o json > FILE")
    if value.pop("schema_version", None) != SCHEMA_VERSION:
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

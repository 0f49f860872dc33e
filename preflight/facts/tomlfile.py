"""TOML files of the container runtimes. The reader is only imported where there is one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from preflight.facts.model import Known

Read = Callable[[str], Known[str]]
Table = dict[str, Any]


def parse_toml(text: str) -> Table:
    """The tables of a TOML text. Raises ValueError with the line and the problem."""
    library = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        tables: Table = library.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return tables


def table(value: Any, *keys: str) -> Table:
    """``value[a][b]`` where that is a table, else an empty one."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def strings(value: Any) -> tuple[str, ...]:
    """The texts of a list; nothing for anything else."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def string(value: Any, default: str) -> str:
    """A text that is not empty, else ``default``."""
    return value if isinstance(value, str) and value else default


def line_of(text: str, key: str, *, containing: Iterable[str]) -> int:
    """The number of the line that has one of the texts, quoted, from the one on that sets ``key``.

    The list may go over several lines. 0 where there is none.
    """
    begun = False
    wanted = [f"{mark}{word}{mark}" for word in containing for mark in "\"'"]
    for number, line in enumerate(text.splitlines(), 1):
        begun = begun or line.partition("=")[0].strip() == key
        if begun and any(word in line for word in wanted):
            return number
    return 0

"""Plain YAML mappings read line by line, as kubeadm writes them: a YAML library takes 46 ms."""

from __future__ import annotations

import re
from typing import Any

# A key and a plain or quoted scalar. Whatever else a file has is left to the library.
_LINE = re.compile(r"( *)([A-Za-z][\w./-]*):(?: +(.*?))? *$")
_HARD = re.compile(r"^\s*(?:[{\[?&*!|>%\"']|<<)|:\s+[{\[&*!|>]|\t", re.MULTILINE)


def parse_mapping(text: str) -> dict[str, str]:
    """``key`` and ``parent.key`` -> text of the scalar; lists are left out.

    Raises ValueError for a text that is not a mapping.
    """
    if _HARD.search(_without_empty(text)):
        return _by_library(text)
    values: dict[str, str] = {}
    parents: list[tuple[int, str]] = []
    for line in text.splitlines():
        if line.strip() in ("---", "...") or not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.lstrip().startswith("-"):
            if not (values or parents):
                return _by_library(text)
            continue
        match = _LINE.fullmatch(re.sub(r"\s+#.*", "", line))
        if match is None or ": " in (match[3] or "").strip("\"'"):
            return _by_library(text)
        depth, key, value = len(match[1]), match[2], match[3]
        while parents and parents[-1][0] >= depth:
            parents.pop()
        if value is None:
            parents.append((depth, key))
        else:
            values[".".join([name for _, name in parents] + [key])] = _plain(value)
    return values


def _without_empty(text: str) -> str:
    return re.sub(r":\s+(?:\{\}|\[\]|\"[^\"\\\n]*\"|'[^'\n]*')", ": x", text)


def _plain(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _by_library(text: str) -> dict[str, str]:
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None
    if not isinstance(value, dict):
        raise ValueError("it is not a mapping")
    values: dict[str, str] = {}
    _flatten(value, "", values)
    return values


def _flatten(value: dict[Any, Any], prefix: str, into: dict[str, str]) -> None:
    for key, item in value.items():
        if isinstance(item, dict):
            # A billion-laughs text repeats one mapping: two levels are all that is asked for.
            if prefix.count(".") < 2:
                _flatten(item, f"{prefix}{key}.", into)
        elif isinstance(item, bool):
            into[f"{prefix}{key}"] = str(item).lower()
        elif item is not None and not isinstance(item, list):
            into[f"{prefix}{key}"] = str(item)

"""One key of a TOML file set by the smallest change of its text, comments and order kept. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from preflight.facts.tomlfile import parse_toml
from preflight.fixes.steps import FixError

# A table's header; a dot, a bare key, or a quoted one.
_HEADER = re.compile(r"^\s*\[(?!\[)(.*)\]\s*(?:#.*)?$")
_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|$)""")


def header_path(line: str) -> tuple[str, ...] | None:
    """``[plugins."a.b".c]`` -> its keys; None for a line that is no header of a table."""
    found = _HEADER.match(line)
    if found is None:
        return None
    inside, at, keys = found[1].strip(), 0, []
    while at < len(inside):
        part = _PART.match(inside, at)
        if part is None:
            return None
        basic, literal, bare, _ = part.groups()
        try:
            # Its escapes are TOML's, which has more of them than JSON.
            key = parse_toml(f'k = "{basic}"')["k"] if basic else (basic or literal or bare or "")
        except ValueError:
            return None
        keys.append(key)
        at = part.end()
    return tuple(keys)


def set_key(text: str, path: tuple[str, ...], key: str, value: Any, *, source: str) -> str:
    """``text`` in which the table ``path`` has ``key = value`` (bool, text or list of texts).

    Raises FixError where the file writes it in a way that a small change does not reach: what
    comes out is parsed again, and must differ from what went in by this key alone.
    """
    before = _parsed(text, source)
    wanted = _with(before, path, key, value)
    if wanted == before:
        return text
    made = _changed(text, path, key, value)
    try:
        reached = parse_toml(made) == wanted
    except ValueError:
        reached = False
    if not reached:
        raise FixError(
            f"{source} writes {'.'.join((*path, key))} in a way that nodeprep does not edit"
        )
    return made


def literal(value: Any) -> str:
    """A value as TOML writes it; JSON's texts, lists and truth values are TOML's too."""
    return json.dumps(value, ensure_ascii=False)


def _parsed(text: str, source: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except ValueError as error:
        raise FixError(f"{source} is not TOML: {error}") from None


def _with(tables: dict[str, Any], path: tuple[str, ...], key: str, value: Any) -> dict[str, Any]:
    if not path:
        return {**tables, key: value}
    below = tables.get(path[0], {})
    if not isinstance(below, dict):
        raise FixError(f"{path[0]} is no table")
    return {**tables, path[0]: _with(below, path[1:], key, value)}


def _changed(text: str, path: tuple[str, ...], key: str, value: Any) -> str:
    lines = text.splitlines(keepends=True)
    assignment = re.compile(rf"""^(\s*)(?:{re.escape(key)}|"{re.escape(key)}")\s*=""")
    inside, at = not path, None if path else -1
    for number, line in enumerate(lines):
        if line.lstrip().startswith("["):
            header = header_path(line.rstrip("\n"))
            inside = header == path
            if inside:
                at = number
        elif inside and (found := assignment.match(line)):
            remark = re.search(r"\s+#[^\"']*$", line.rstrip("\n"))
            end = remark[0] if remark else ""
            lines[number] = f"{found[1]}{key} = {literal(value)}{end}\n"
            return "".join(lines)
    if at is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        names = ".".join(part if re.fullmatch(r"[\w-]+", part) else literal(part) for part in path)
        return f"{text}{gap}\n[{names}]\n{key} = {literal(value)}\n"
    if at >= 0 and not lines[at].endswith("\n"):
        lines[at] += "\n"
    following = lines[at + 1] if at + 1 < len(lines) else ""
    indent = re.match(r"[ \t]*", following)
    blank = not following.strip() or following.lstrip().startswith("[")
    lead = "" if indent is None or blank else indent[0]
    lines.insert(at + 1, f"{lead}{key} = {literal(value)}\n")
    return "".join(lines)

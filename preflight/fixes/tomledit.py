"""One key of a TOML file set by the smallest change of its text, comments and order kept. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from preflight.facts.tomlfile import parse_toml
from preflight.fixes.steps import FixError

# A table's header; a bare key or a quoted one, and what follows it.
_HEADER = re.compile(r"^\s*\[(?!\[)(.*)\]\s*(?:#.*)?$")
_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|=|$)""")
# A value that an inline table may have for a key, of the kinds that are set here.
_VALUE = r"""(?:true|false|"(?:[^"\\]|\\.)*"|'[^']*'|\[[^\]]*\])"""


def header_path(line: str) -> tuple[str, ...] | None:
    """``[plugins."a.b".c]`` -> its keys; None for a line that is no header of a table."""
    found = _HEADER.match(line)
    if found is None:
        return None
    inside = found[1].strip()
    parts = _keys(inside)
    return None if parts is None or parts[1] < len(inside) else parts[0]


def _keys(text: str) -> tuple[tuple[str, ...], int] | None:
    """The keys at the start of ``text``, and where they end: behind the ``=``, or with it all."""
    at, keys, end = 0, [], ""
    while at < len(text) and end != "=":
        part = _PART.match(text, at)
        if part is None:
            return None
        basic, literal, bare, end = part.groups()
        try:
            # Its escapes are TOML's, which has more of them than JSON.
            key = parse_toml(f'k = "{basic}"')["k"] if basic else (basic or literal or bare or "")
        except ValueError:
            return None
        keys.append(key)
        at = part.end()
    return tuple(keys), at


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
    table: tuple[str, ...] | None = ()
    at = None if path else -1
    # Where the table is only there as the first part of dotted keys.
    dotted: tuple[int, str] | None = None
    for number, line in enumerate(lines):
        if line.lstrip().startswith("["):
            table = header_path(line.rstrip("\n"))
            if table == path:
                at = number
        elif table is not None and (assigned := _keys(line)) and line[assigned[1] - 1] == "=":
            keys, end = assigned
            if (made := _assigned(line[end:], (*table, *keys), (*path, key), value)) is not None:
                lines[number] = line[:end] + made
                return "".join(lines)
            if keys[1:] and (*table, *keys[:-1]) == path:
                dotted = number, f"{_dotted(keys[:-1])}.{key}"
    if at is None and dotted is not None:
        before = lines[dotted[0]]
        lead = before[: len(before) - len(before.lstrip())]
        gap = "" if before.endswith("\n") else "\n"
        lines.insert(dotted[0] + 1, f"{gap}{lead}{dotted[1]} = {literal(value)}\n")
        return "".join(lines)
    if at is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}\n[{_dotted(path)}]\n{key} = {literal(value)}\n"
    if at >= 0 and not lines[at].endswith("\n"):
        lines[at] += "\n"
    following = lines[at + 1] if at + 1 < len(lines) else ""
    indent = re.match(r"[ \t]*", following)
    blank = not following.strip() or following.lstrip().startswith("[")
    lead = "" if indent is None or blank else indent[0]
    lines.insert(at + 1, f"{lead}{key} = {literal(value)}\n")
    return "".join(lines)


def _dotted(keys: tuple[str, ...]) -> str:
    return ".".join(key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else literal(key) for key in keys)


def _assigned(said: str, name: tuple[str, ...], wanted: tuple[str, ...], value: Any) -> str | None:
    """What stands behind the ``=`` of ``name``, with the value of ``wanted``; None: not of it."""
    if name == wanted:
        body = said.rstrip("\r\n")
        remark = re.search(r"\s+#[^\"']*$", body)
        return f" {literal(value)}{remark[0] if remark else ''}{said[len(body) :] or chr(10)}"
    if name != wanted[:-1] or not said.lstrip().startswith("{"):
        return None
    key, new = wanted[-1], literal(value)
    spellings = "|".join(re.escape(each) for each in (key, f'"{key}"', f"'{key}'"))
    pattern = rf"([{{,]\s*(?:{spellings})\s*=\s*){_VALUE}"
    made, count = re.subn(pattern, lambda found: found[1] + new, said, count=1)
    if count:
        return made
    gap = "" if re.match(r"\s*\{\s*\}", said) else ", "
    return said.replace("{", f"{{{key} = {new}{gap}", 1)

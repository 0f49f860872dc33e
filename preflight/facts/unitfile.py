"""The command line that systemd gives a service: its unit file, drop-ins and environment files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from typing import NamedTuple

from preflight.facts.model import Known, Unknown

Read = Callable[[str], Known[str]]
List = Callable[[str], Known[tuple[str, ...]]]

# systemd.unit(5): the first directory that has a file of a name wins.
UNIT_DIRS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


class ServiceText(NamedTuple):
    """What the texts of a unit say: ``ExecStart``, ``Environment`` and ``EnvironmentFile``."""

    command: str
    environment: dict[str, str]
    files: tuple[str, ...]


def parse_unit(texts: Iterable[str]) -> ServiceText:
    """A unit's text and those of its drop-ins, in systemd's order. An empty value clears a list."""
    command = ""
    environment: dict[str, str] = {}
    files: list[str] = []
    for text in texts:
        for line in re.sub(r"\\\n\s*", " ", text).splitlines():
            key, equals, value = line.strip().partition("=")
            if not equals or key.startswith(("#", ";")):
                continue
            key, value = key.strip(), value.strip()
            if key == "ExecStart":
                command = value
            elif key == "Environment":
                environment = {**environment, **_assignments(value)} if value else {}
            elif key == "EnvironmentFile":
                files = [*files, value.removeprefix("-")] if value else []
    return ServiceText(command, environment, tuple(files))


def parse_environment(text: str) -> dict[str, str]:
    """An EnvironmentFile: ``NAME="value"`` lines, comments with # or ;."""
    values: dict[str, str] = {}
    for line in re.sub(r"\\\n", "", text).splitlines():
        line = line.strip()
        name, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            values[name.strip().removeprefix("export ").strip()] = _unquoted(value.strip())
    return values


def _assignments(value: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in _words(value))
    return {name: text for name, equals, text in pairs if equals}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quote: systemd ignores the line, and so would be nothing to read
        return text.split()


def expand(command: str, environment: dict[str, str]) -> list[str]:
    """The words of a command: ``$NAME`` alone becomes several words, ``${NAME}`` stays one."""
    words: list[str] = []
    for word in _words(command):
        alone = _VARIABLE.fullmatch(word)
        if alone and alone[2]:
            words += _words(environment.get(alone[2], ""))
        else:
            words.append(
                _VARIABLE.sub(lambda match: environment.get(match[1] or match[2], ""), word)
            )
    return words


def service_words(name: str, read: Read, names: List) -> list[str]:
    """The words of the command that systemd would run for ``name`` now; none without a unit."""
    unit = next(
        (text for place in UNIT_DIRS if isinstance(text := read(f"{place}/{name}"), str)), ""
    )
    drop_ins: dict[str, str] = {}
    for place in UNIT_DIRS:
        found = names(f"{place}/{name}.d")
        for entry in () if isinstance(found, Unknown) else found:
            if entry.endswith(".conf"):
                drop_ins.setdefault(entry, f"{place}/{name}.d/{entry}")
    texts = [unit, *(_text(read, drop_ins[entry]) for entry in sorted(drop_ins))]
    service = parse_unit(texts)
    environment = dict(service.environment)
    for path in service.files:
        environment.update(parse_environment(_text(read, path)))
    return expand(service.command, environment)


def _text(read: Read, path: str) -> str:
    text = read(path)
    return "" if isinstance(text, Unknown) else text


def flags(words: Iterable[str]) -> dict[str, str]:
    """``--name=value``, ``--name value`` and ``--name`` (true) -> the last value of each name."""
    values: dict[str, str] = {}
    open_name = ""
    for word in words:
        if word.startswith("--"):
            open_name, equals, value = word[2:].partition("=")
            values[open_name] = value if equals else "true"
            open_name = "" if equals else open_name
        elif open_name:
            values[open_name], open_name = word, ""
    return values

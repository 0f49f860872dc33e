"""Small changes of files that belong to others. Pure: text in, text out."""

from __future__ import annotations

import re
from collections.abc import Callable

# A form feed ends no line of these files; whoever reads them goes by the newline alone.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def comment_out(text: str, wanted: Callable[[str], bool], check: str) -> str:
    """``text`` with a mark of nodeprep before each line that is ``wanted`` out of the way."""
    return "".join(
        f"# nodeprep {check}: {line}" if wanted(line.rstrip("\n")) else line
        for line in _LINE.findall(text)
    )


def with_line(text: str | None, line: str) -> str:
    """``text`` with a line at its end; what is there may have no end of line."""
    text = text or ""
    gap = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{gap}{line}\n"


def name_in_hosts(text: str | None, name: str, address: str, check: str) -> str:
    """/etc/hosts in which ``name`` leads to ``address`` and to nothing else.

    A line that names only this machine gets the address; out of any other the name is taken.
    """
    lines: list[str] = []
    there = False
    for line in _LINE.findall(text or ""):
        entry, mark, remark = line.partition("#")
        words = entry.split()
        if len(words) < 2 or not any(_same(word, name) for word in words[1:]):
            lines.append(line)
        elif words[0] == address:
            there = True
            lines.append(line)
        elif not there and all(_is_of(word, name) for word in words[1:]):
            there = True
            lines.append(line.replace(words[0], address, 1))
        elif kept := [word for word in words[1:] if not _same(word, name)]:
            end = f" {mark}{remark}" if mark else "\n"
            lines.append(f"{words[0]} {' '.join(kept)}{end}")
    made = "".join(lines)
    return made if there else with_line(made, f"{address} {name}  # nodeprep {check}")


def loopback_in_hosts(text: str | None, check: str) -> str:
    """/etc/hosts in which localhost leads to this machine and to no other."""
    lines: list[str] = []
    found: set[str] = set()
    for line in _LINE.findall(text or ""):
        entry, mark, remark = line.partition("#")
        words = entry.split()
        if len(words) < 2 or not any(_same(word, "localhost") for word in words[1:]):
            lines.append(line)
        elif words[0].startswith("127.") or words[0] == "::1":
            found.add(words[0])
            lines.append(line)
        elif kept := [word for word in words[1:] if not _same(word, "localhost")]:
            end = f" {mark}{remark}" if mark else "\n"
            lines.append(f"{words[0]} {' '.join(kept)}{end}")
    made = "".join(lines)
    if not any(address.startswith("127.") for address in found):
        made = with_line(made, f"127.0.0.1 localhost  # nodeprep {check}")
    if "::1" not in found:
        made = with_line(made, f"::1 localhost  # nodeprep {check}")
    return made


def _same(word: str, name: str) -> bool:
    return word.lower() == name.lower()


def _is_of(word: str, name: str) -> bool:
    return _same(word, name) or word.lower().startswith(f"{name.lower()}.")

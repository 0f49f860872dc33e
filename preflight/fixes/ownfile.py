"""Files that are nodeprep's as a whole: their header, and how a foreign edit is told. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from preflight.fixes.steps import Effect, Step, edit_file

SYSCTL_FILE = "/etc/sysctl.d/99-zz-nodeprep.conf"
MODULES_FILE = "/etc/modules-load.d/nodeprep.conf"

_FIRST = "# Written by nodeprep fix"
_SEAL = re.compile(r"^# sha256:([0-9a-f]{64})\n", re.MULTILINE)
_CHECK = re.compile(r"# ([a-z0-9-]+)")


def seal(text: str) -> str:
    """``text`` with its checksum as the second line."""
    first, _, rest = text.partition("\n")
    return f"{first}\n# sha256:{_digest(text)}\n{rest}"


def is_untouched(text: str) -> bool:
    """Whether nodeprep wrote the text and nobody changed it since."""
    found = _SEAL.search(text)
    if not text.startswith(_FIRST) or found is None:
        return False
    return found[1] == _digest(text[: found.start()] + text[found.end() :])


def edited(text: str, edit: Callable[[str], str]) -> str:
    """``edit`` of a file that may be ours: then its checksum is right again after it."""
    found = _SEAL.search(text)
    if found is None or not is_untouched(text):
        return edit(text)
    return seal(edit(text[: found.start()] + text[found.end() :]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def own_file(
    path: str, template: str, check: str, *, effects: tuple[Effect, ...] = (), **values: Any
) -> Step:
    """A file that is filled from ``templates/fixes/TEMPLATE``."""
    from rules.render.templating import fill

    text = seal(fill(f"fixes/{template}", check=check, **values))
    return edit_file(path, lambda _text: text, check, effects=effects, own=True)


def own_rows(path: str, check: str, rows: dict[str, str]) -> Step:
    """Rows of one of the files that several checks share: key -> line, replaced by key."""

    def edit(text: str | None) -> str | None:
        return text if not rows else with_rows(text, check, rows)

    return edit_file(path, edit, check, own=True)


def with_rows(text: str | None, check: str, rows: dict[str, str]) -> str:
    """The text of a shared file with these rows under the name of ``check``."""
    from rules.render.templating import fill

    found = parse_rows(text or "")
    for key, line in rows.items():
        owner = next((each for each, held in found.items() if held.get(key) == line), check)
        for held in found.values():
            if owner == check:
                held.pop(key, None)
        found.setdefault(owner, {})[key] = line
    sections = [
        {"check": name, "lines": [held[key] for key in sorted(held)]}
        for name, held in sorted(found.items())
        if held
    ]
    return seal(fill("fixes/rows.conf.j2", sections=sections))


def parse_rows(text: str) -> dict[str, dict[str, str]]:
    """A shared file -> check -> key -> line."""
    found: dict[str, dict[str, str]] = {}
    check = ""
    for line in text.splitlines():
        if match := _CHECK.fullmatch(line):
            check = match[1]
        elif line and not line.startswith("#"):
            found.setdefault(check, {})[line.partition("=")[0].strip()] = line
    return found

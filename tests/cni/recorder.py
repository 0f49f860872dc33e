"""A plugin that writes down what it was given, for tests of the caller; it answers as told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SCRIPT = """#!/bin/sh
base="{base}"
number=$(ls "$base" | grep -c call)
config=$(cat)
printf '%s\\n' "$CNI_COMMAND {kind}" "$CNI_CONTAINERID" "$CNI_NETNS" "$CNI_IFNAME" \
    "$CNI_ARGS" "$CNI_PATH" "$config" > "$base/call$number"
if [ -e "$base/fail-$CNI_COMMAND-{kind}" ]; then
    cat "$base/fail-$CNI_COMMAND-{kind}"; exit 1
fi
[ "$CNI_COMMAND" != ADD ] || printf '%s' '{answer}'
"""


class Recorder:
    """Plugins in a directory of their own; ``calls`` is what they got, in order."""

    def __init__(self, base: Path) -> None:
        self.base, self.plugins = base / "calls", base / "plugins"
        self.base.mkdir()
        self.plugins.mkdir()

    def make(self, kind: str, answer: dict[str, Any] | None = None) -> None:
        """A plugin of that type; the default answer carries its name."""
        said = {"cniVersion": "1.0.0", "from": kind} if answer is None else answer
        path = self.plugins / kind
        path.write_text(_SCRIPT.format(base=self.base, kind=kind, answer=json.dumps(said)))
        path.chmod(0o755)

    def fail(self, kind: str, command: str, text: str) -> None:
        """From now on the plugin prints ``text`` and ends with 1."""
        (self.base / f"fail-{command}-{kind}").write_text(text)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """``call`` (ADD bridge), ``container``, ``netns``, ..., and ``config`` as an object."""
        names = ("call", "container", "netns", "interface", "args", "path", "config")
        count = len(list(self.base.glob("call*")))
        found = []
        for number in range(count):
            lines = (self.base / f"call{number}").read_text().split("\n", len(names) - 1)
            item: dict[str, Any] = dict(zip(names, lines, strict=True))
            found.append({**item, "config": json.loads(item["config"])})
        return found

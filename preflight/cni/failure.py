"""What a plugin that fails says: the error document of the CNI specification. Pure."""

from __future__ import annotations

import json
from typing import Any

from rules.errors import EXIT_FAILED, NodeprepError

# CNI SPEC.md, "Error"; 999 is libcni's for every error of Go that has no type.
INCOMPATIBLE_VERSION, UNKNOWN_CONTAINER, TRY_LATER, UNTYPED = 1, 3, 11, 999
_TEXT_LIMIT = 1000


class PluginFailure(NodeprepError):
    """A plugin ended with an error. ``code`` as in the specification, 0 where it named none.

    ``plugin`` is its type, ``command`` the verb (ADD, DEL, CHECK), ``message`` its own words.
    """

    exit_code = EXIT_FAILED

    def __init__(self, plugin: str, command: str, code: int, message: str) -> None:
        super().__init__(f"{plugin} {command}: {message}" + (f" (code {code})" if code else ""))
        self.plugin, self.command, self.code, self.message = plugin, command, code, message

    def __reduce__(self) -> tuple[type[PluginFailure], tuple[str, str, int, str]]:
        """For a process that hands its error to another."""
        return type(self), (self.plugin, self.command, self.code, self.message)


def parse_failure(
    plugin: str, command: str, returncode: int, stdout: str, stderr: str
) -> PluginFailure:
    """The error document on stdout; without one, what the plugin printed at all."""
    try:
        body: Any = json.loads(stdout)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and (body.get("msg") or body.get("code")):
        code = body.get("code")
        details = str(body.get("details") or "")
        words = "; ".join(filter(None, (str(body.get("msg") or ""), details)))
        return PluginFailure(
            plugin, command, code if isinstance(code, int) else 0, _short(words or "no message")
        )
    said = next((text.strip() for text in (stderr, stdout) if text.strip()), "")
    tail = f": {said.splitlines()[-1]}" if said else ", and nothing printed"
    return PluginFailure(plugin, command, 0, _short(f"ended with {returncode}{tail}"))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}..."

"""Running one CNI plugin: its environment, its configuration on stdin, its answer."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from preflight.cni.failure import PluginFailure, parse_failure
from rules.run import run

# The dhcp plugin may try for a minute (its resendmax); nothing else takes a second.
TIME_LIMIT_S = 90.0
# Every code is an answer here: the document on stdout says more than the number.
_ANY_CODE = range(-64, 256)


def find_plugin(kind: str, plugin_dirs: tuple[str, ...]) -> str:
    """The path of a plugin, looked for as libcni does: the first regular file of that name. Raises
    PluginFailure where there is none, or the name is no file's."""
    if not kind or "/" in kind or kind in (".", ".."):
        raise PluginFailure(kind, "find", 0, f"invalid plugin name: {kind!r}")
    for directory in plugin_dirs:
        path = os.path.join(directory, kind)
        if os.path.isfile(path):
            return path
    where = ", ".join(plugin_dirs) or "no directory"
    raise PluginFailure(kind, "find", 0, f'failed to find plugin "{kind}" in path {where}')


def call(path: str, variables: Mapping[str, str], config: Mapping[str, Any]) -> dict[str, Any]:
    """Runs a plugin once and returns the object that it printed, an empty one for nothing.

    Raises PluginFailure for what the plugin says is wrong, CommandError where it does not run.
    """
    kind, command = os.path.basename(path), variables["CNI_COMMAND"]
    done = run([path], timeout_s=TIME_LIMIT_S, ok=_ANY_CODE, stdin=json.dumps(config),
               env=variables)  # fmt: skip
    if done.returncode != 0:
        raise parse_failure(kind, command, done.returncode, done.stdout, done.stderr)
    if not done.stdout.strip():
        return {}
    try:
        answer = json.loads(done.stdout)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise PluginFailure(kind, command, 0, "printed no JSON object although it ended well")
    return answer

"""The state behind the vendors' commands, with faults. Stdlib alone: it runs once for each call.

``VENDOR_STORE`` names a directory: ``state.json``, ``history.jsonl`` (the state after each call
that wrote), ``calls.jsonl`` (every command line) and ``faults.json`` (number of a call, from 0 on,
or ``*`` -> the fault).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

State = dict[str, Any]
WRITES = ("create", "update", "delete", "set")


class CloudRefusal(Exception):
    """What the cloud answers in the place of doing it; ``str()`` is what the command prints."""


def fail(text: str, code: int = 1) -> NoReturn:
    """Prints to stderr, and ends."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
    os._exit(code)


def serve(empty: State, words: dict[str, str], command: Callable[[State, list[str]], Any]) -> None:
    """One call. ``words``: fault -> what this vendor's command prints of it."""
    place = Path(os.environ["VENDOR_STORE"])
    path = place / "state.json"
    state = json.loads(path.read_text()) if path.exists() else empty
    argv = sys.argv[1:]
    with (place / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(argv) + "\n")
    number = len((place / "calls.jsonl").read_text().splitlines()) - 1
    known = place / "faults.json"
    faults = json.loads(known.read_text()) if known.exists() else {}
    fault = faults.get(str(number), faults.get("*", ""))
    if fault == "kill before":
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)
    if fault == "slow":
        time.sleep(60)
    if fault in words and fault != "lost":
        fail(words[fault])
    if fault == "no json":
        print("<html>It works!</html>")
        return
    before = json.dumps(state)
    try:
        shown = command(state, argv)
    except CloudRefusal as refusal:
        fail(str(refusal))
    if json.dumps(state) != before:
        made = path.with_suffix(".new")
        made.write_text(json.dumps(state))
        made.replace(path)
        with (place / "history.jsonl").open("a") as history:
            history.write(json.dumps(state) + "\n")
    if fault == "kill after":
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(0)
    if fault == "lost":
        fail(words["lost"])
    if shown is not None:
        print(json.dumps(shown, indent=2))

"""The key of a run: made once, copied to every node by its operator, used by all."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from preflight.fleet.reach.wire import KEY_BYTES
from preflight.output import say
from rules.errors import ConfigError
from rules.files import read_input
from rules.state import Store

_NAME = "key"
_OTHERS = 0o077


def default_path() -> Path:
    """``probe/key`` of the state directory."""
    return Store("probe").path / _NAME


def make_key(path: str = "") -> Path:
    """The key's file; makes it (mode 0600, random) where it is not there. Raises ConfigError where
    it cannot be written."""
    place = Path(path) if path else default_path()
    # Not Path.exists: where a directory may not be looked into, it raises.
    if os.path.exists(place):
        return place
    text = secrets.token_hex(KEY_BYTES) + "\n"
    if not path:
        return Store("probe").write_text(_NAME, text)
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigError(str(place), f"cannot be written: {error.strerror}") from None
    return place


def read_key(path: str = "") -> bytes:
    """The key. Says on standard error that others may read it, where they may. Raises ConfigError
    where it is absent, or is no key."""
    place = path or str(default_path())
    try:
        text = read_input(place, limit_bytes=4096).strip()
    except ConfigError as error:
        raise ConfigError(
            place, f"{error.problem}; copy the key of the node that listens, or name it with --key"
        ) from None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            place,
            f"is no key: {2 * KEY_BYTES} hexadecimal digits are wanted; "
            "remove it, and nodeprep listen makes one",
        )
    if place != "-" and (mode := stat.S_IMODE(os.stat(place).st_mode)) & _OTHERS:
        say(
            f"warning: {place}: others may read the key (mode {mode:o}), and answer in a node's "
            f"place; chmod 600 {place}"
        )
    return key

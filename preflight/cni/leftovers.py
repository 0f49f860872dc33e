"""The directories of plugins and callers that were not there before the pod network was.

host-local never removes its lock and its last address, nor libcni its directory of results.
"""

from __future__ import annotations

import os
from contextlib import suppress

from preflight.cni.cache import DEFAULT_CACHE_DIR
from preflight.cni.remains import lease_dirs
from preflight.cni.spec import NetworkConfig
from rules.state import Store

_NOTE = "fresh.json"


def note(store: Store, network: NetworkConfig) -> None:
    """Remembers, at the first installation, which of them are not there."""
    if store.read(_NOTE) is not None:
        return
    missing: list[str] = []
    for path in (*lease_dirs(network), os.path.join(DEFAULT_CACHE_DIR, "results")):
        place = path
        while place not in ("", "/") and not os.path.isdir(place):
            missing.append(place)
            place = os.path.dirname(place)
    store.write(_NOTE, {"directories": sorted(set(missing), key=len, reverse=True)})


def clear(store: Store) -> None:
    """Removes those of them that hold nothing but host-local's marks; leases keep theirs."""
    for path in (store.read(_NOTE) or {}).get("directories", ()):
        names = os.listdir(path) if os.path.isdir(path) else []
        if names and all(name == "lock" or name.startswith("last_reserved_ip") for name in names):
            for name in names:
                os.unlink(os.path.join(path, name))
        with suppress(OSError):  # somebody keeps something in it
            os.rmdir(path)

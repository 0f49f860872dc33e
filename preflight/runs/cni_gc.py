"""One run of `nodeprep cni gc`."""

from __future__ import annotations

from typing import Any

from preflight import config as configuration
from preflight.cni.cache import DEFAULT_CACHE_DIR
from preflight.cni.collect import look, sweep
from preflight.cni.garbage import Garbage, find
from preflight.output import check_format, require_root, say, write
from preflight.report.plain import printable
from rules.errors import EXIT_DONE, EXIT_FAILED
from rules.record import record


@record
class Asked:
    """The flags of `cni gc`."""

    min_age_s: float
    cri_socket: str
    cache_dir: str
    plugin_dirs: tuple[str, ...]
    config: str


def run_gc(asked: Asked, *, dry_run: bool, output: str) -> int:
    """Collects, or says what would be collected; 1 where something could not be taken away."""
    check_format(output)
    require_root("nodeprep cni gc")
    settings = configuration.load(config=asked.config)
    cache_dir = asked.cache_dir or DEFAULT_CACHE_DIR
    seen = look(
        min_age_s=asked.min_age_s,
        cri_socket=asked.cri_socket or settings.cri_socket,
        cache_dir=cache_dir,
    )
    garbage = find(seen)
    changes = _changes(garbage)
    left: list[str] = []
    if not dry_run and changes:
        left = sweep(garbage, asked.plugin_dirs or _plugin_dirs(), cache_dir)
    document = {
        "schema_version": 1,
        "kind": "CniCollection",
        "dry_run": dry_run,
        "changed": bool(changes),
        "changes": changes,
        "left": left,
        "kept": {
            "leases": len(seen.leases) - len(garbage.leases),
            "cache": len(seen.cache) - len(garbage.cache),
            "chains": len(seen.chains) - len(garbage.chains),
            "namespaces": len(seen.namespaces) - len(garbage.namespaces),
        },
    }
    lines = [f"  remove {printable(item['object'])}" for item in changes] or [
        "nothing of dead pods is left"
    ]
    write(document, lines, output)
    if garbage.starting:
        say("some chains were left alone: a pod may be starting right now; run it again")
    for line in left:
        say(f"not taken away: {line}")
    return EXIT_FAILED if left else EXIT_DONE


def _plugin_dirs() -> tuple[str, ...]:
    from preflight.cni.node import runtime_of, usable_dirs
    from preflight.facts.host import Host

    return usable_dirs(runtime_of(Host(offline=True)).plugin_dirs)


def _changes(garbage: Garbage) -> list[dict[str, Any]]:
    """The contract's ``changes``: everything goes."""
    objects = [
        *((f"cache {item.path}", f"{item.container} {item.interface}") for item in garbage.cache),
        *((f"cache {path}", "unfinished") for path in garbage.unfinished),
        *((f"lease {item.path}", item.container) for item in garbage.leases),
        *((f"chain {item.program} {item.table} {item.name}", "") for item in garbage.chains),
        *((f"namespace {item.path}", f"{item.age_s:.0f} s old") for item in garbage.namespaces),
    ]
    return [{"object": name, "before": before, "after": None} for name, before in objects]

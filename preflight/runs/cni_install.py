"""One run of `nodeprep cni install` or `cni remove`."""

from __future__ import annotations

from typing import Any

from preflight.cni.install import Wanted, install, removal, take_away
from preflight.cni.journal import SUBJECT, Step
from preflight.output import check_format, require_root, say, write
from rules.errors import EXIT_DONE
from rules.state import Store


def run_install(wanted: Wanted, *, dry_run: bool, diff: bool, output: str) -> int:
    """Lays it all down, or says what would change."""
    check_format(output)
    require_root("nodeprep cni install")
    done = install(wanted, Store(SUBJECT), dry_run=dry_run)
    document = _document("CniInstallation", done.steps, dry_run=dry_run)
    document |= {
        "conf": done.place.conf_path,
        "plugin_dirs": list(done.place.plugin_dirs),
        "plugins_from": done.origin or None,
        "cni_version": done.planned.wanted.version,
        "warnings": done.warnings,
    }
    _print(document, done.steps, diff=diff, dry_run=dry_run, output=output)
    for warning in done.warnings:
        say(f"warning: {warning}")
    return EXIT_DONE


def run_remove(*, force: bool, dry_run: bool, diff: bool, output: str) -> int:
    """Undoes it all. Refuses while pods hang on the bridge, or where somebody changed something."""
    check_format(output)
    store = Store(SUBJECT)
    steps = removal(store, busy=force, drift=force)
    if not dry_run:
        take_away(steps, store)
    document = _document("CniRemoval", steps, dry_run=dry_run)
    _print(document, steps, diff=diff, dry_run=dry_run, output=output)
    return EXIT_DONE


def _document(kind: str, steps: list[Step], *, dry_run: bool) -> dict[str, Any]:
    from preflight.report.firewall import change_items

    changes = [step.change() for step in steps if step.changes]
    return {
        "schema_version": 1,
        "kind": kind,
        "dry_run": dry_run,
        "changed": bool(changes),
        "changes": change_items(changes),
    }


def _print(
    document: dict[str, Any], steps: list[Step], *, diff: bool, dry_run: bool, output: str
) -> None:
    from preflight.report.firewall import change_lines

    lines = change_lines([step.change() for step in steps if step.changes], diff=diff)
    if not lines:
        lines.append("nothing to change")
    elif dry_run:
        lines.append("nothing was changed")
    write(document, lines, output)

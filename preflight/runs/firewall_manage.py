"""One run of `nodeprep firewall confirm`, `rollback`, `status` or `remove`."""

from __future__ import annotations

from typing import Any

from preflight.firewall.request import SUBJECT, own_command
from preflight.output import check_format, write
from preflight.runs.firewall_apply import say_pending
from rules.errors import EXIT_DONE, EXIT_FAILED, EXIT_UNDETERMINED
from rules.state import Store


def run_confirm(*, force: bool, output: str) -> int:
    """Makes the pending change stay."""
    from rules.lifecycle.manage import confirm
    from rules.lifecycle.session import operator_session

    check_format(output)
    outcome = confirm(Store(SUBJECT), operator_session(), force=force)
    document = {
        "schema_version": 1,
        "kind": "FirewallConfirmation",
        "changed": outcome.changed,
        "changes": [],
    }
    write(document, ["confirmed" if outcome.changed else "nothing to confirm"], output)
    return EXIT_DONE


def run_rollback(*, pending_id: str, output: str) -> int:
    """Puts the old rules back; with an id only if that very change is still pending."""
    from rules.lifecycle.manage import roll_back_now
    from rules.lifecycle.rollback import roll_back

    check_format(output)
    store, done = Store(SUBJECT), True
    if pending_id:
        done = roll_back(store, pending_id, "nobody confirmed it in time")
    else:
        roll_back_now(store)
    document = {
        "schema_version": 1,
        "kind": "FirewallRollback",
        "changed": done,
        "changes": [],
    }
    write(document, ["the old rules are back" if done else "nothing to roll back"], output)
    return EXIT_DONE


def run_status(*, output: str) -> int:
    """Prints what is in force and whether it is still as it was applied."""
    from preflight.report import firewall as report
    from rules.lifecycle.manage import DIFFERENCE, status

    check_format(output)
    found = status(Store(SUBJECT))
    applied = found.applied
    document: dict[str, Any] = {
        "schema_version": 1,
        "kind": "FirewallStatus",
        "applied": None,
        "loaded": found.loaded,
        "drift": None if found.drift is None else report.change_items(found.drift),
        "persistent": found.persistent,
        "pending": report.pending_item(found.pending),
        "last": {name: text for name, text in found.last.items() if name != "version"} or None,
    }
    lines = ["nothing of nodeprep is applied"]
    if found.last.get("event") == "rolled-back":
        lines.append(f"rolled back at {found.last['at']}: {found.last['reason']}")
    if applied is not None:
        names = ("backend", "role", "posture", "digest", "at", "confirmed")
        document["applied"] = {name: getattr(applied, name) for name in names}
        lines = [
            f"{applied.backend}: policy {applied.digest}, role {applied.role}, posture "
            f"{applied.posture}, since {applied.at}",
            "after a reboot: loaded again" if found.persistent else "after a reboot: not loaded",
        ]
        if found.drift is None:
            lines.append("nobody can tell whether somebody changed it: no scratch namespace")
        elif found.drift:
            lines.append("not as it was applied:")
            lines += report.change_lines(found.drift, diff=False)
            lines.append(f"{DIFFERENCE}, with the options of the first time")
    if found.pending is not None:
        lines.append(f"not confirmed: rolled back after {found.pending.until}")
    write(document, lines, output)
    if applied is not None and found.drift is None:
        return EXIT_UNDETERMINED
    return EXIT_FAILED if found.drift else EXIT_DONE


def run_remove(
    *, confirm_within_s: float, dry_run: bool, diff: bool, force: bool, output: str
) -> int:
    """Takes away what is ours."""
    from preflight.report import firewall as report
    from rules.lifecycle.apply import Arming
    from rules.lifecycle.manage import make_removal, remove
    from rules.lifecycle.session import operator_session

    check_format(output)
    store, pending = Store(SUBJECT), None
    if dry_run:
        removal = make_removal(store)
    else:
        session = None if force else operator_session()
        arming = Arming(confirm_within_s, session, own_command())
        removal, outcome = remove(store, arming)
        pending = outcome.pending
    document = {
        "schema_version": 1,
        "kind": "FirewallRemoval",
        "dry_run": dry_run,
        "changed": bool(removal.changes),
        "changes": report.change_items(removal.changes),
        "pending": report.pending_item(pending),
    }
    lines = report.change_lines(removal.changes, diff=diff) or ["nothing of nodeprep is there"]
    write(document, lines, output)
    if pending is not None:
        say_pending(pending.until)
    return EXIT_DONE

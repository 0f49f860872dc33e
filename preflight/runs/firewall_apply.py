"""One run of `nodeprep firewall plan`, `apply` or `verify`."""

from __future__ import annotations

import sys
from typing import Any

from preflight.firewall.request import SUBJECT, Wanted, make_request
from preflight.output import check_format, say, write
from rules.errors import EXIT_DONE, EXIT_FAILED, EXIT_UNDETERMINED
from rules.lifecycle.apply import Outcome, Plan, Refused
from rules.state import Store


def run_plan(wanted: Wanted, *, diff: bool, output: str) -> int:
    """Prints what apply would change."""
    from rules.lifecycle.apply import make_plan

    check_format(output)
    plan = make_plan(make_request(wanted, exact=diff), Store(SUBJECT))
    _print(plan, "FirewallPlan", output, diff=diff, dry_run=True, outcome=None)
    return EXIT_FAILED if plan.rules_change and plan.refused else EXIT_DONE


def run_apply(
    wanted: Wanted,
    *,
    confirm_within_s: float,
    wait: bool,
    dry_run: bool,
    diff: bool,
    force: bool,
    output: str,
) -> int:
    """Applies, prints what changed and until when it must be confirmed."""
    from rules.lifecycle.apply import apply, make_plan, wait_for_confirmation

    check_format(output)
    store = Store(SUBJECT)
    request = make_request(wanted, exact=diff, confirm_within_s=confirm_within_s, force=force)
    if dry_run:
        plan = make_plan(request, store)
        _print(plan, "FirewallApply", output, diff=diff, dry_run=True, outcome=None)
        refused = plan.rules_change and plan.refused and not force
        return EXIT_FAILED if refused else EXIT_DONE
    plan, outcome = apply(request, store)
    _print(plan, "FirewallApply", output, diff=diff, dry_run=False, outcome=outcome)
    sys.stdout.flush()
    if outcome.pending is not None:
        say_pending(outcome.pending.until)
        if wait and not wait_for_confirmation(store, outcome.pending):
            raise Refused("rolled back: nobody confirmed it in time")
    return EXIT_DONE


def run_verify(wanted: Wanted, *, output: str) -> int:
    """Prints what is and what is not as the policy asks."""
    from rules.lifecycle.manage import verify

    check_format(output)
    verdicts = verify(make_request(wanted, exact=True), Store(SUBJECT))
    words = {True: "ok", False: "wrong", None: "unknown"}
    document = {
        "schema_version": 1,
        "kind": "FirewallVerification",
        "role": wanted.policy.role.value,
        "posture": wanted.posture,
        "ok": _all_ok([verdict.ok for verdict in verdicts]),
        "verdicts": [
            {"name": verdict.name, "ok": verdict.ok, "detail": verdict.detail}
            for verdict in verdicts
        ],
    }
    lines = [f"{words[verdict.ok]:8}{verdict.name}: {verdict.detail}" for verdict in verdicts]
    write(document, lines, output)
    if document["ok"] is None:
        return EXIT_UNDETERMINED
    return EXIT_DONE if document["ok"] else EXIT_FAILED


def _all_ok(values: list[bool | None]) -> bool | None:
    if False in values:
        return False
    return None if None in values else True


def _print(
    plan: Plan, kind: str, output: str, *, diff: bool, dry_run: bool, outcome: Outcome | None
) -> None:
    from preflight.report import firewall as report

    pending = outcome.pending if outcome is not None else plan.pending
    warnings = [*plan.choice.warnings, *(outcome.warnings if outcome is not None else ())]
    document: dict[str, Any] = {
        "schema_version": 1,
        "kind": kind,
        "dry_run": dry_run,
        "changed": plan.changed,
        "changes": report.change_items(plan.changes),
        "backend": plan.choice.backend,
        "reason": plan.choice.reason,
        "role": plan.applied.role,
        "posture": plan.applied.posture,
        "digest": plan.digest,
        "refused": plan.refused or None,
        "pending": report.pending_item(pending),
        "warnings": warnings,
    }
    lines = [
        f"{plan.choice.backend}: {plan.choice.reason}",
        f"policy {plan.digest}, role {plan.applied.role}, posture {plan.applied.posture}",
        *report.change_lines(plan.changes, diff=diff),
    ]
    if not plan.changed:
        lines.append("nothing to change")
    elif dry_run:
        lines.append("nothing was changed")
    write(document, lines, output)
    for warning in warnings:
        say(f"warning: {warning}")
    if dry_run and plan.rules_change and plan.refused:
        say(f"apply would refuse: {plan.refused}")


def say_pending(until: str) -> None:
    """What a person must do now."""
    say(
        f"until {until} the old rules come back unless you log in anew and run: "
        "nodeprep firewall confirm"
    )

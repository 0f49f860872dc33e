"""One run of `nodeprep cloud apply`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from preflight.output import check_format, say, write
from preflight.runs.cloud_policy import CloudRequest
from rules.errors import EXIT_DONE, UsageError
from rules.record import record

if TYPE_CHECKING:
    from rules.cloud.document import CloudRules
    from rules.cloudapply.converge import Plan

CLOUDS = ("aws",)
FOREIGN = "not ours, so left: "
LEFTOVER = "ours, and no role of the cluster needs it: "


@record
class Reached:
    """Where the API is, as the flags say. ``timeout_s``: for one answer."""

    region: str = ""
    profile: str = ""
    endpoint_url: str = ""
    timeout_s: float = 30


def run_apply(
    request: CloudRequest, reached: Reached, *, dry_run: bool, diff: bool, output: str
) -> int:
    """Applies, or says what it would do, and prints what changed. The exit code."""
    from preflight.runs.cloud_policy import load_rules

    check_format(output)
    if request.cloud not in CLOUDS:
        raise UsageError(f"cloud apply knows {', '.join(CLOUDS)}, not {request.cloud!r}")
    if not request.network:
        raise UsageError("--network must name the VPC of the groups, such as vpc-0123456789abcdef0")
    rules = load_rules(request)
    from rules.cloudapply.api import Ec2
    from rules.cloudapply.run import apply, make_plan

    ec2 = Ec2(**vars(reached))
    if dry_run:
        plan = make_plan(ec2, rules)
    else:
        plan = apply(ec2, rules, _tell if sys.stderr.isatty() else lambda _: None).plan
    _print(plan, rules, dry_run=dry_run, diff=diff, output=output)
    return EXIT_DONE


def _tell(line: str) -> None:
    say(line)


def _print(plan: Plan, rules: CloudRules, *, dry_run: bool, diff: bool, output: str) -> None:
    from preflight.report import firewall as report

    document: dict[str, Any] = {
        "schema_version": 1,
        "kind": "CloudApply",
        "cloud": rules.cloud,
        "network": rules.options.network,
        "roles": list(rules.plan.receivers),
        "digest": plan.digest,
        "dry_run": dry_run,
        "changed": plan.changed,
        "changes": report.change_items(plan.changes),
        "usage": [
            {"subject": item.subject, "quota": item.quota, "used": item.used, "most": item.most}
            for item in plan.usage
        ],
        "foreign": list(plan.foreign),
        "leftovers": list(plan.leftovers),
        "warnings": list(plan.warnings),
        "widenings": [{"flow": item.flow, "why": item.why} for item in rules.widenings],
        "left_out": list(rules.left_out),
    }
    lines = [
        f"{rules.cloud}: {rules.options.network}, roles {', '.join(rules.plan.receivers)}, "
        f"policy {plan.digest}",
        *report.change_lines(plan.changes, diff=diff),
    ]
    if not plan.changed:
        lines.append("nothing to change")
    elif dry_run:
        lines.append("nothing was changed")
    write(document, lines, output)
    notes = [
        *(str(item) for item in plan.usage),
        *(f"{FOREIGN}{item}" for item in plan.foreign),
        *(f"{LEFTOVER}{item}" for item in plan.leftovers),
        *(f"warning: {item}" for item in plan.warnings),
        *(f"widened by request: {item.flow}: {item.why}" for item in rules.widenings),
    ]
    for line in notes:
        say(line)

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
    from rules.cloudapply.plan import Driver, Plan

# The flag without which a cloud cannot be asked, and what is said then.
REQUIRED = {
    "aws": ("network", "--network must name the VPC of the groups, such as vpc-0123456789abcdef0"),
    "gcp": ("network", "--network must name the network of the rules, such as default"),
    "azure": ("scope", "--scope must name the resource group of the groups"),
}
CLOUDS = ("aws", "gcp", "azure", "openstack")
FOREIGN = "not ours, so left: "
LEFTOVER = "ours, and no role of the cluster needs it: "
API_TIMEOUT_S = 30.0
# What a vendor's command can do less than its cloud. `az network nsg rule create --help`, of 2.91:
# "temporarily this argument only supports one application security group".
COMMAND_QUOTAS = {"azure": "asgs=1"}


@record
class Reached:
    """Where the API is, as the flags say. ``timeout_s``: for one answer, None for the usual one."""

    region: str = ""
    profile: str = ""
    endpoint_url: str = ""
    timeout_s: float | None = None

    @property
    def given(self) -> dict[str, str]:
        """The flags that only AWS has."""
        flags = {
            "--region": self.region,
            "--profile": self.profile,
            "--endpoint-url": self.endpoint_url,
        }
        return {flag: text for flag, text in flags.items() if text}

    def ec2(self) -> Any:
        """EC2 there. Raises CommandError and CloudError."""
        from rules.cloudapply.api import Ec2

        return Ec2(
            region=self.region,
            profile=self.profile,
            endpoint_url=self.endpoint_url,
            timeout_s=API_TIMEOUT_S if self.timeout_s is None else self.timeout_s,
        )


def run_apply(
    request: CloudRequest, reached: Reached, *, dry_run: bool, diff: bool, output: str
) -> int:
    """Applies, or says what it would do, and prints what changed. The exit code."""
    from preflight.runs.cloud_policy import load_rules
    from rules.cloudapply.plan import apply, make_plan

    check_format(output)
    if request.cloud not in CLOUDS:
        raise UsageError(f"cloud apply knows {', '.join(CLOUDS)}, not {request.cloud!r}")
    place, message = REQUIRED.get(request.cloud, ("cloud", ""))
    if not getattr(request, place):
        raise UsageError(message)
    if request.cloud != "aws" and reached.given:
        raise UsageError(f"{next(iter(reached.given))} is for aws; leave it out")
    quota = COMMAND_QUOTAS.get(request.cloud, "")
    if quota and not any(word.startswith(quota.split("=")[0]) for word in request.quotas):
        request = request.but(quotas=(*request.quotas, quota))
    rules = load_rules(request)
    driver = _driver(rules, reached)

    def show(plan: Plan) -> None:
        """What a vendor's command is to do, before it does: each call of it takes seconds."""
        if plan.changed and rules.cloud != "aws":
            for line in (*_head(rules, plan), *_change_lines(plan, diff=False)):
                say(line)

    if dry_run:
        plan = make_plan(driver)
    else:
        plan = apply(driver, say if sys.stderr.isatty() else lambda _: None, show).plan
    _print(plan, rules, dry_run=dry_run, diff=diff, output=output)
    return EXIT_DONE


def _driver(rules: CloudRules, reached: Reached) -> Driver:
    """What speaks to the cloud of the rules."""
    from rules.cloudapply.vendor import TIMEOUT_S

    seconds = TIMEOUT_S if reached.timeout_s is None else reached.timeout_s
    if rules.cloud == "gcp":
        from rules.cloudapply.google import Google

        return Google(rules, seconds)
    if rules.cloud == "azure":
        from rules.cloudapply.azure import Azure

        return Azure(rules, seconds)
    if rules.cloud == "openstack":
        from rules.cloudapply.neutron import Neutron

        return Neutron(rules, seconds)
    from rules.cloudapply.ec2 import Aws

    return Aws(reached.ec2(), rules)


def _head(rules: CloudRules, plan: Plan) -> list[str]:
    place = rules.options.network or rules.options.scope
    where = f"{rules.cloud}: {place}" if place else rules.cloud
    return [f"{where}, roles {', '.join(rules.plan.receivers)}, policy {plan.digest}"]


def _change_lines(plan: Plan, *, diff: bool) -> list[str]:
    from preflight.report import firewall as report
    from preflight.report.plain import printable

    return [printable(line) for line in report.change_lines(plan.changes, diff=diff)]


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
    lines = [*_head(rules, plan), *_change_lines(plan, diff=diff)]
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

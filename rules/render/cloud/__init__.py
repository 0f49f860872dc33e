"""A cloud's plan -> the text of one format. Pure; each cloud is imported when asked for."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module

from rules.cloud import load
from rules.cloud.abilities import lower
from rules.cloud.document import CloudOptions, CloudRules
from rules.cloud.minimal import minimise
from rules.cloud.plan import CloudPlan
from rules.errors import UsageError
from rules.record import field, record
from rules.words import hint


@record
class CloudArtefact:
    """What a person gives to the cloud, to the byte: ``files``, name -> text."""

    form: str
    rules: CloudRules
    files: dict[str, str] = field(default_factory=dict)


def formats(cloud: str) -> tuple[str, ...]:
    """The formats of a cloud, its default first."""
    load(cloud)
    return tuple(import_module(f"rules.render.cloud.{cloud}").FORMATS)


def cloud_rules(
    cloud: str,
    plan: CloudPlan,
    options: CloudOptions | None = None,
    *,
    allowed: Collection[str] = (),
    left_out: Collection[str] = (),
    version: str = "",
) -> CloudRules:
    """The plan in the words of one cloud, within its quotas.

    ``allowed``: flows that may be widened; ``left_out``: what the plan was made without, for the
    head of the document. Raises UsageError for names that the cloud does not take, for a flow that
    it cannot say, and for rules that do not fit.
    """
    module, chosen = load(cloud), options or CloudOptions()
    module.check(chosen)
    for quota, _ in chosen.quotas:
        if quota not in module.QUOTAS:
            known = ", ".join(module.QUOTAS) or "none"
            near = hint(quota, module.QUOTAS)
            raise UsageError(f"{cloud} has no quota called {quota!r}; there are {known}{near}")
    if module.WHOLE and plan.receivers != plan.members:
        raise UsageError(f"a document for {cloud} is of a whole cluster: --role all")
    grants, widenings = lower(plan, module.ABILITIES, allowed)
    rules = minimise(grants, plan.families, module.ABILITIES)
    groups, usage = module.arrange(rules, plan.receivers, chosen)
    return CloudRules(
        cloud, plan, chosen, groups, usage, widenings, tuple(sorted(left_out)), version
    )


def render(form: str, rules: CloudRules) -> CloudArtefact:
    """The rules in one format of their cloud. Raises UsageError for an unknown format."""
    module = import_module(f"rules.render.cloud.{rules.cloud}")
    form = form or next(iter(module.FORMATS))
    if form not in module.FORMATS:
        known = ", ".join(module.FORMATS)
        near = hint(form, module.FORMATS)
        raise UsageError(f"{rules.cloud} has no format called {form!r}; there are {known}{near}")
    return CloudArtefact(form, rules, module.FORMATS[form](rules))

"""Likely causes of a failed proof: what the plugins said, what the host shows, what checks find."""

from __future__ import annotations

from preflight.cni import causes
from preflight.cni.doctor import examine, failing
from preflight.cni.proof import Cause
from preflight.cni.prove import Steps
from preflight.cni.spec import NetworkConfig
from preflight.finding import Status
from preflight.settings import Settings

# Beside failures, warnings of these are worth naming when pods do not get through.
_TELLING = frozenset({"reverse-path-filter", "cni-leases-live", "cni-product-ready"})


def diagnose(steps: Steps, network: NetworkConfig, settings: Settings) -> tuple[Cause, ...]:
    """The causes, the most certain first; none where every step went well."""
    if all(step.ok is not False for step in steps.done):
        return ()
    found = [cause for failure in steps.failures for cause in causes.explain(failure, network)]
    found += causes.by_steps(steps.done, network, steps.scene)
    found += [
        Cause(
            finding.id,
            f"{finding.message} ({finding.id})",
            finding.remedy or f"nodeprep explain {finding.id}",
        )
        for finding in failing(examine(settings, network))
        if finding.status is Status.FAIL or finding.id in _TELLING
    ]
    return causes.unique(found) or causes.untold(steps.done, steps.addresses)

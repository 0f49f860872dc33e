"""A check run as one value: what every report format is made from."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import Any

from preflight.finding import Finding, Severity, Status
from preflight.target import Target
from rules.errors import EXIT_DONE, EXIT_FAILED, EXIT_UNDETERMINED
from rules.record import record

SCHEMA_VERSION = 1


class Verdict(str, Enum):
    """``undetermined``: nothing fails, but an error-severity check could not be judged.

    So is a run in which nothing was judged (``--skip all``).
    """

    READY = "ready"
    NOT_READY = "not-ready"
    UNDETERMINED = "undetermined"

    def __str__(self) -> str:
        return self.value


EXIT_CODES = {
    Verdict.READY: EXIT_DONE,
    Verdict.NOT_READY: EXIT_FAILED,
    Verdict.UNDETERMINED: EXIT_UNDETERMINED,
}


@record
class CheckReport:
    """One run. ``node`` is the host name that was judged, ``started`` UTC in ISO 8601."""

    node: str
    target: Target
    started: str
    duration_ms: float
    findings: tuple[Finding, ...]
    strict: bool = False

    @property
    def verdict(self) -> Verdict:
        """Not ready: an error fails (with --strict: or warns). Ignored findings do not count."""
        counted = [found for found in self.findings if not found.ignored]
        if any(found.status is Status.FAIL for found in counted):
            return Verdict.NOT_READY
        if self.strict and any(found.status is Status.WARN for found in counted):
            return Verdict.NOT_READY
        if any(
            found.status is Status.UNKNOWN and (self.strict or found.severity is Severity.ERROR)
            for found in counted
        ):
            return Verdict.UNDETERMINED
        if all(found.status is Status.SKIP for found in self.findings):
            return Verdict.UNDETERMINED
        return Verdict.READY

    @property
    def summary(self) -> dict[str, int]:
        """How many findings have each status; every status is there."""
        counts = Counter(found.status for found in self.findings)
        return {status.value: counts[status] for status in Status}


def document(report: CheckReport) -> dict[str, Any]:
    """The JSON contract ``kind: CheckReport`` (docs/schemas/check-report.schema.json)."""
    target = report.target
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "CheckReport",
        "node": report.node,
        "role": target.role.value,
        "phase": target.phase.value,
        "kubernetes_version": str(target.version),
        "cni": {"name": target.cluster.cni.name, "mode": target.cluster.cni.mode},
        "started": report.started,
        "duration_ms": round(report.duration_ms, 1),
        "verdict": report.verdict.value,
        "summary": report.summary,
        "findings": [_finding(found) for found in report.findings],
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "id": found.id,
        "subject": found.subject,
        "title": found.title,
        "status": found.status.value,
        "severity": found.severity.value,
        "ignored": found.ignored,
        "message": found.message,
        "observed": found.observed,
        "expected": found.expected,
        "remedy": found.remedy,
        "fix": found.fix,
        "source": found.source,
        "aliases": list(found.aliases),
        "duration_ms": found.duration_ms,
    }

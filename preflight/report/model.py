"""A check run as one value: what every report format is made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import Any, Protocol

from preflight.finding import Finding, Severity, Status
from preflight.target import Target
from rules.cluster import CniChoice
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
        """See ``verdict_of``."""
        return verdict_of(self.findings, strict=self.strict)

    @property
    def summary(self) -> dict[str, int]:
        """See ``summary_of``."""
        return summary_of(self.findings)

    @property
    def suite(self) -> str:
        """What ran, for formats that name it."""
        return f"nodeprep check {self.target.role.value}"

    @property
    def properties(self) -> dict[str, str]:
        """What was judged, for formats that take names and values."""
        return {
            "node": self.node,
            "role": self.target.role.value,
            "verdict": self.verdict.value,
        }

    @property
    def heading(self) -> str:
        """The first line for a person."""
        target = self.target
        cni = target.cluster.cni
        network = f"{cni.name}/{cni.mode}" if cni.mode else cni.name
        if cni == CniChoice():
            network += " (the default)"
        version = (
            f"{target.version} ({target.version_source})"
            if target.version_source
            else str(target.version)
        )
        pods = f", pod network {network}" if target.role.runs_kubelet else ""
        return (
            f"{self.node or 'this machine'} as {target.role.value}, "
            f"{target.phase.value} kubeadm, Kubernetes {version}{pods}"
        )

    def document(self) -> dict[str, Any]:
        """See ``document``."""
        return document(self)


class Report(Protocol):
    """What every format is made from: of one node, or of many."""

    @property
    def node(self) -> str:
        """The host name that was judged; empty where it is several."""

    @property
    def started(self) -> str:
        """UTC in ISO 8601."""

    @property
    def duration_ms(self) -> float:
        """How long it took."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """In the order of the checks."""

    @property
    def verdict(self) -> Verdict:
        """See ``verdict_of``."""

    @property
    def summary(self) -> dict[str, int]:
        """See ``summary_of``."""

    @property
    def suite(self) -> str:
        """What ran."""

    @property
    def heading(self) -> str:
        """The first line for a person."""

    @property
    def properties(self) -> dict[str, str]:
        """What was judged."""

    def document(self) -> dict[str, Any]:
        """The JSON values."""


def verdict_of(findings: Sequence[Finding], *, strict: bool) -> Verdict:
    """Not ready: an error fails (with --strict: or warns). Ignored findings do not count."""
    counted = [found for found in findings if not found.ignored]
    if any(found.status is Status.FAIL for found in counted):
        return Verdict.NOT_READY
    if strict and any(found.status is Status.WARN for found in counted):
        return Verdict.NOT_READY
    if any(
        found.status is Status.UNKNOWN and (strict or found.severity is Severity.ERROR)
        for found in counted
    ):
        return Verdict.UNDETERMINED
    if all(found.status is Status.SKIP for found in findings):
        return Verdict.UNDETERMINED
    return Verdict.READY


def summary_of(findings: Sequence[Finding]) -> dict[str, int]:
    """How many findings have each status; every status is there."""
    counts = Counter(found.status for found in findings)
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
        "findings": [finding_document(found) for found in report.findings],
    }


def finding_document(found: Finding) -> dict[str, Any]:
    """One finding as plain values."""
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

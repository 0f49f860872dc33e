"""A comparison of many nodes as one value, in every format of a check report. Pure."""

from __future__ import annotations

from typing import Any

from preflight.finding import Finding
from preflight.report.model import Verdict, finding_document, summary_of, verdict_of
from rules.record import record

SCHEMA_VERSION = 1


@record
class CompareReport:
    """One run of `nodeprep compare`. ``nodes`` are the labels of the cards that were compared,
    ``notes`` what a sampled run may have missed, a line each."""

    cluster: str
    nodes: tuple[str, ...]
    started: str
    duration_ms: float
    findings: tuple[Finding, ...]
    strict: bool = False
    notes: tuple[str, ...] = ()

    @property
    def node(self) -> str:
        """Several nodes were judged; formats for one get the cluster's name."""
        return self.cluster

    @property
    def verdict(self) -> Verdict:
        """As of a check."""
        return verdict_of(self.findings, strict=self.strict)

    @property
    def summary(self) -> dict[str, int]:
        """As of a check."""
        return summary_of(self.findings)

    @property
    def suite(self) -> str:
        """What ran."""
        return "nodeprep compare"

    @property
    def heading(self) -> str:
        """The first line for a person."""
        count = len(self.nodes)
        nodes = f"{count} node{'' if count == 1 else 's'}"
        # No cluster has a name where no card is usable.
        place = f" of the cluster {self.cluster}" if self.cluster else ""
        return ". ".join([f"{nodes}{place}, compared", *self.notes])

    @property
    def properties(self) -> dict[str, str]:
        """What was judged."""
        return {
            "cluster": self.cluster,
            "nodes": str(len(self.nodes)),
            "verdict": self.verdict.value,
        }

    def document(self) -> dict[str, Any]:
        """See ``document``."""
        return document(self)


def document(report: CompareReport) -> dict[str, Any]:
    """The JSON contract ``kind: CompareReport`` (docs/schemas/compare-report.schema.json)."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "CompareReport",
        "cluster": report.cluster,
        "nodes": list(report.nodes),
        "notes": list(report.notes),
        "started": report.started,
        "duration_ms": round(report.duration_ms, 1),
        "verdict": report.verdict.value,
        "summary": report.summary,
        "findings": [
            {**finding_document(found), "nodes": list(found.nodes)} for found in report.findings
        ],
    }

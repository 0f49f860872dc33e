"""What listeners and probes print. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Any

from preflight.finding import Finding
from preflight.fleet.reach.model import Reach, label
from preflight.report.model import Verdict, finding_document, summary_of, verdict_of
from preflight.report.plain import printable
from rules.cluster import Role
from rules.record import record

SCHEMA_VERSION = 1


@record
class ProbeReport:
    """One run of `nodeprep probe`. ``unprobed``: flows that no probe can carry, with the reason."""

    node: str
    role: Role
    started: str
    duration_ms: float
    reaches: tuple[Reach, ...]
    findings: tuple[Finding, ...]
    unprobed: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """As of a check."""
        return verdict_of(self.findings, strict=False)

    @property
    def summary(self) -> dict[str, int]:
        """As of a check."""
        return summary_of(self.findings)

    @property
    def suite(self) -> str:
        """What ran."""
        return f"nodeprep probe {self.role.value}"

    @property
    def heading(self) -> str:
        """The first line for a person."""
        peers = len({reach.errand.peer.name for reach in self.reaches})
        flows = len(self.reaches)
        rest = f"; not probed: {', '.join(self.unprobed)}" if self.unprobed else ""
        return (
            f"{self.node} as {self.role.value} to {peers} peer{'' if peers == 1 else 's'}, "
            f"{flows} port{'' if flows == 1 else 's'}{rest}"
        )

    @property
    def properties(self) -> dict[str, str]:
        """What was judged."""
        return {"node": self.node, "role": self.role.value, "verdict": self.verdict.value}

    def document(self) -> dict[str, Any]:
        """See ``document``."""
        return document(self)


def document(report: ProbeReport) -> dict[str, Any]:
    """The JSON contract ``kind: ProbeReport`` (docs/schemas/probe-report.schema.json)."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "ProbeReport",
        "node": report.node,
        "role": report.role.value,
        "started": report.started,
        "duration_ms": round(report.duration_ms, 1),
        "verdict": report.verdict.value,
        "summary": report.summary,
        "outcomes": dict(Counter(reach.outcome.value for reach in report.reaches)),
        "unprobed": list(report.unprobed),
        "reaches": [_reach(reach) for reach in report.reaches],
        "findings": [
            {**finding_document(found), "nodes": list(found.nodes)} for found in report.findings
        ],
    }


def _reach(reach: Reach) -> dict[str, Any]:
    errand, raw = reach.errand, reach.raw
    return {
        "peer": errand.peer.name,
        "peer_role": errand.peer.role.value,
        "address": str(errand.address),
        "protocol": errand.protocol,
        "port": errand.port,
        "component": errand.component,
        "flows": list(errand.flows),
        "outcome": reach.outcome.value,
        "layer": reach.layer.value,
        "warning": reach.warning,
        "detail": reach.detail,
        "sent": raw.sent,
        "answered": raw.answered,
        "rtt_ms": raw.rtt_ms,
        "clock_ms": raw.clock_ms,
        "full_bytes": raw.full,
        "forward_bytes": raw.forward,
        "back_bytes": raw.back,
        "icmp": None if raw.icmp is None else dict(vars(raw.icmp)),
    }


def listen_text(document: dict[str, Any]) -> str:
    """A ListenReport for a person."""
    lines = []
    for port in document["ports"]:
        where = f"{label(port['protocol'], port['port'])} IPv{port['family']}"
        if port["held_by"]:
            lines.append(f"{where}: held by {printable(port['held_by'])}, and left to it")
        elif port["problem"]:
            lines.append(f"{where}: {printable(port['problem'])}")
    bound = sum(not port["held_by"] and not port["problem"] for port in document["ports"])
    lines.append(f"listened on {bound} ports")
    lines += [
        f"{heard['source']} reached {', '.join(heard['ports'])}" for heard in document["heard"]
    ]
    if not document["heard"]:
        lines.append("nobody with the key was heard")
    lines.append(f"{document['wrong']} wrong and {document['replayed']} repeated packets")
    return "\n".join(lines) + "\n"

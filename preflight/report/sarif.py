"""SARIF 2.1.0, as code-scanning dashboards read it."""

from __future__ import annotations

import json
from typing import Any

from preflight import __version__
from preflight.finding import Finding, Severity, Status
from preflight.report.model import Report

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_KINDS = {
    Status.PASS: "pass",
    Status.SKIP: "notApplicable",
    Status.UNKNOWN: "open",
    Status.WARN: "fail",
    Status.FAIL: "fail",
}


def render(report: Report) -> str:
    """One run; each check id is a rule, each finding a result."""
    rules: dict[str, dict[str, Any]] = {}
    for found in report.findings:
        rules.setdefault(found.id, _rule(found))
    order = {name: index for index, name in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": "nodeprep",
                "version": __version__,
                "rules": list(rules.values()),
            }
        },
        "invocations": [{"executionSuccessful": True, "startTimeUtc": report.started}],
        "properties": report.properties,
        "results": [_result(found, order[found.id], report.node) for found in report.findings],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _rule(found: Finding) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": found.id,
        "shortDescription": {"text": found.title},
        "defaultConfiguration": {"level": found.severity.value},
    }
    if found.source:
        rule["helpUri"] = found.source
    return rule


def _result(found: Finding, rule_index: int, node: str) -> dict[str, Any]:
    kind = _KINDS[found.status]
    # The level of anything but a failure is "none" (SARIF 2.1.0, 3.27.10).
    level = "none"
    if kind == "fail":
        level = (
            "error"
            if found.severity is Severity.ERROR and found.status is Status.FAIL
            else "warning"
        )
    message = f"{found.subject}: {found.message}" if found.subject else found.message
    result: dict[str, Any] = {
        "ruleId": found.id,
        "ruleIndex": rule_index,
        "kind": kind,
        "level": level,
        "message": {"text": f"{message}. Remedy: {found.remedy}" if found.remedy else message},
        "locations": [
            {
                "logicalLocations": [
                    {
                        "name": found.subject or node or "node",
                        "fullyQualifiedName": _name(found, node),
                    }
                ]
            }
        ],
        "partialFingerprints": {"nodeprep/v1": _name(found, node)},
        "properties": {"observed": found.observed, "expected": found.expected},
    }
    if found.ignored:
        result["suppressions"] = [{"kind": "external", "justification": "named by --ignore"}]
    return result


def _name(found: Finding, node: str) -> str:
    return "/".join(part for part in (node or "node", found.id, found.subject) if part)

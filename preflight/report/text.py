"""The report that a person reads: aligned, failures last, each with its remedy."""

from __future__ import annotations

from preflight.report.model import CheckReport


def render(
    report: CheckReport, *, colour: bool = False, quiet: bool = False, verbose: bool = False
) -> str:
    """Plain text."""
    lines = [
        f"{found.status.value:8} {found.id:24} {found.subject:12} {found.message}"
        for found in report.findings
    ]
    return "\n".join([*lines, f"verdict: {report.verdict.value}", ""])

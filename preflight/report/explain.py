"""What `nodeprep explain` prints, and the check reference of the documentation. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from preflight.checks.registry import Check
from preflight.report.plain import fold
from preflight.target import Phase
from rules.cluster import Role

_INDENT = " " * 10


def roles_of(check: Check) -> str:
    """The roles in words."""
    return (
        "all"
        if len(check.roles) == len(Role)
        else ", ".join(role.value for role in Role if role in check.roles)
    )


def phases_of(check: Check) -> str:
    """When it is judged, in words."""
    if len(check.phases) == len(Phase):
        return "before and after kubeadm"
    return f"{next(iter(check.phases)).value} kubeadm"


def document(check: Check) -> dict[str, Any]:
    """One check as plain values."""
    return {
        "id": check.id,
        "title": check.title,
        "severity": check.severity.value,
        "roles": sorted(role.value for role in check.roles),
        "phases": sorted(phase.value for phase in check.phases),
        "applies": check.applies,
        "why": check.why,
        "source": check.source,
        "aliases": list(check.aliases),
        "fix": check.fix,
        "deep": check.deep,
    }


def text(check: Check, *, width: int = 80) -> str:
    """One check for a person."""
    rows = [
        ("why", check.why),
        ("severity", check.severity.value),
        ("roles", roles_of(check)),
        ("when", phases_of(check) + (", with --deep only" if check.deep else "")),
        ("applies", check.applies),
        ("kubeadm", ", ".join(check.aliases)),
        ("fix", f"nodeprep fix --only {check.fix}" if check.fix else ""),
        ("source", check.source),
    ]
    lines = [f"{check.id}: {check.title}", ""]
    lines += [
        f"{key:10}{fold(value, width - len(_INDENT), _INDENT)}" for key, value in rows if value
    ]
    return "\n".join(lines) + "\n"


def listing(checks: Iterable[Check]) -> str:
    """All checks, a line each."""
    rows = list(checks)
    width = max(len(check.id) for check in rows)
    return "".join(
        f"{check.id:{width}}  {check.severity.value:7}  {check.title}\n" for check in rows
    )


def markdown(checks: Iterable[Check]) -> str:
    """docs/checks.md."""
    rows = list(checks)
    lines = [
        "# Checks",
        "",
        "Made from the program by `make docs`; `nodeprep explain ID` prints the same.",
        "",
        f"{len(rows)} checks. `error`: a failure makes the node not ready. `warning`: it does not, "
        "unless `--strict` is given. kubeadm's names work with `--ignore` and `--skip` too.",
        "",
        "| id | severity | roles | what must hold | kubeadm's name |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| [{check.id}](#{check.id}) | {check.severity.value} | {roles_of(check)} "
        f"| {check.title} | {', '.join(f'`{alias}`' for alias in check.aliases)} |"
        for check in rows
    ]
    for check in rows:
        lines += ["", f"## {check.id}", "", f"{check.title}.", "", check.why, ""]
        if check.applies:
            lines += [f"Applies: {check.applies}.", ""]
        lines += [
            f"Judged {phases_of(check)}"
            f"{', only with `--deep`' if check.deep else ''}. Source: <{check.source}>"
        ]
    return "\n".join(lines) + "\n"

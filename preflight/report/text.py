"""The report that a person reads: aligned, failures last, each with its remedy."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from preflight.finding import Finding, Severity, Status
from preflight.report.model import CheckReport, Report, Verdict
from preflight.report.plain import fold, printable
from preflight.target import Phase

if TYPE_CHECKING:
    from preflight.report.picture import Picture

# What needs doing comes last: it is what stays on the screen.
ORDER = (Status.PASS, Status.SKIP, Status.UNKNOWN, Status.WARN, Status.FAIL)
_COLOURS = {
    Status.PASS: "32",
    Status.SKIP: "2",
    Status.UNKNOWN: "35",
    Status.WARN: "33",
    Status.FAIL: "31",
}
_VERDICT_COLOURS = {Verdict.READY: "32", Verdict.NOT_READY: "31", Verdict.UNDETERMINED: "35"}
_NAMED_SUBJECTS = 6


class _Painter:
    """Wraps words in terminal colours, or leaves them alone."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def render(
    report: Report,
    *,
    colour: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    width: int = 0,
    picture: Picture | None = None,
) -> str:
    """The whole report. ``quiet``: only what needs doing. ``verbose``: every subject and source.

    ``width`` in columns, 0 where lines may be of any length (a pipe). ``picture``: tables of many
    nodes, before the findings.
    """
    paint = _Painter(colour)
    lines = [] if quiet else [fold(printable(report.heading), width, ""), ""]
    if picture is not None:
        from preflight.report import tables

        lines += tables.render(picture, report.findings)
    shown = [
        found
        for found in report.findings
        if not (quiet and found.status in (Status.PASS, Status.SKIP))
    ]
    findings = sorted(shown, key=lambda found: ORDER.index(found.status))
    name_width = max((len(found.id) for found in findings), default=0)
    for status, group in groupby(findings, key=lambda found: found.status):
        rows = list(group)
        if status in (Status.PASS, Status.SKIP) and not verbose:
            rows = [_together(list(same)) for _, same in groupby(rows, key=lambda row: row.id)]
        if status is Status.SKIP and not verbose:
            rows = _same_reason(rows)
        if len(lines) > 2 and status in (Status.UNKNOWN, Status.WARN, Status.FAIL):
            lines.append("")
        for found in rows:
            lines += _finding(found, paint, name_width, verbose=verbose, width=width)
    lines += ["", _footer(report, paint)]
    lines += _fixable(report)
    return "\n".join(lines).lstrip("\n") + "\n"


def _together(same: list[Finding]) -> Finding:
    """Findings of one check about several subjects, as one row: what holds, of which."""
    first = same[0]
    if len(same) == 1:
        return first
    subjects = [found.subject for found in same if found.subject]
    named = ", ".join(subjects[:_NAMED_SUBJECTS])
    more = f" and {len(subjects) - _NAMED_SUBJECTS} more" if len(subjects) > _NAMED_SUBJECTS else ""
    what = _begun_small(first.title) if first.status is Status.PASS else "not judged"
    message = f"{what}: {named}{more}" if subjects else first.message
    return Finding(first.id, "", first.title, first.status, first.severity, message)


def _begun_small(title: str) -> str:
    """A title as messages begin; a name such as AppArmor keeps its capitals."""
    first = title.split(" ", 1)[0]
    return title[:1].lower() + title[1:] if first[1:] == first[1:].lower() else title


def _same_reason(rows: list[Finding]) -> list[Finding]:
    """Checks that are skipped for one and the same reason, as one row."""
    by_reason: dict[str, list[Finding]] = {}
    for row in rows:
        by_reason.setdefault(row.message, []).append(row)
    return [
        same[0]
        if len(same) == 1
        else Finding(
            f"{len(same)} checks",
            "",
            "",
            Status.SKIP,
            same[0].severity,
            f"{message}: {', '.join(row.id for row in same)}",
        )
        for message, same in by_reason.items()
    ]


def _finding(
    found: Finding, paint: _Painter, name_width: int, *, verbose: bool, width: int
) -> list[str]:
    word = paint(_COLOURS[found.status], f"{found.status.value.upper():7}")
    # Most messages name their subject themselves.
    named = not found.subject or found.subject in found.message
    subject = "" if named else f"{printable(found.subject)}: "
    ignored = " (ignored)" if found.ignored else ""
    indent = " " * (9 + name_width + 2)
    room = width - len(indent) if width else 0
    text = fold(f"{subject}{printable(found.message)}{ignored}", room, indent)
    lines = [f"{word}  {found.id:{name_width}}  {text}"]
    details = []
    if found.status in (Status.FAIL, Status.WARN, Status.UNKNOWN) or verbose:
        if found.expected:
            details.append(("want", f"{found.expected}, found {found.observed or 'nothing'}"))
        elif verbose and found.observed:
            details.append(("found", found.observed))
        if found.remedy:
            details.append(("fix", found.remedy))
        if verbose and found.source:
            details.append(("source", found.source))
    lines += [f"{indent}{paint('2', f'{key}:')} {printable(value)}" for key, value in details]
    return lines


def _fixable(report: Report) -> list[str]:
    """For how much of what is wrong a fix is registered; it may still leave a case to a person."""
    wrong = (Status.FAIL, Status.WARN)
    counted = (each for each in report.findings if each.status in wrong and not each.ignored)
    ids = sorted({each.id for each in counted if each.fix})
    # Of many nodes no one run of fix mends anything.
    if not ids or not isinstance(report, CheckReport):
        return []
    target = report.target
    phase = "" if target.phase is Phase.BEFORE else f" --phase {target.phase.value}"
    command = printable(f"nodeprep fix --role {target.role.value}{phase}{target.flags}")
    return [f"to mend {', '.join(ids)}: {command}; --dry-run shows what it would do"]


def counts(report: Report) -> str:
    """How many findings there are of each status, and how many of those do not count."""
    summary = report.summary
    ignored = Counter(found.status for found in report.findings if found.ignored)
    aside = {
        status: f" ({ignored[status]} ignored)" if ignored[status] else "" for status in Status
    }
    return ", ".join(
        (
            f"{summary['fail']} failed{aside[Status.FAIL]}",
            f"{summary['warn']} warning{'' if summary['warn'] == 1 else 's'}{aside[Status.WARN]}",
            f"{summary['unknown']} unknown{aside[Status.UNKNOWN]}",
            f"{summary['skip']} skipped",
            f"{summary['pass']} passed",
        )
    )


def _footer(report: Report, paint: _Painter) -> str:
    verdict = report.verdict
    line = f"{verdict.value}: {counts(report)}, in {report.duration_ms / 1000:.2f} s"
    unknown = verdict is Verdict.UNDETERMINED and any(
        found.status is Status.UNKNOWN and found.severity is Severity.ERROR
        for found in report.findings
    )
    hint = "; what is unknown must be seen before the node can be called ready" if unknown else ""
    if all(found.status is Status.SKIP for found in report.findings):
        hint = "; nothing was judged"
    return paint(_VERDICT_COLOURS[verdict], line) + hint

"""One self-contained page: a verdict, its findings, and for many nodes who reaches whom. Pure.

What comes from other machines is data: Jinja2 escapes it, and the page's policy
(Content-Security-Policy) lets it load nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from preflight.finding import Finding, Status
from preflight.report.model import Report, finding_document
from preflight.report.picture import (
    DETAIL,
    LABEL,
    MOST_NODES,
    NAME,
    NODE_COLUMNS,
    Picture,
    groups,
    heat,
    labels,
    names_of,
    nodes,
    told,
)

if TYPE_CHECKING:
    from preflight.fleet.answer import Cell

_ORDER = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.SKIP, Status.PASS)
# What a page shows of each list; the JSON report has all of it. Keeps it under 5 MiB.
MOST_FINDINGS = 2000
MOST_FINDINGS_BYTES = 2_500_000
# Rows of the table of nodes that are laid out; a search looks at the rest too, as data.
MOST_ROWS = 500
# Characters of each text of a finding; markup around them all.
_LENGTHS = {
    "id": 120, "title": 300, "message": 2000, "expected": 500, "observed": 500, "remedy": 1000,
}  # fmt: skip
_MARKUP_BYTES = 500
_PAIR = 63


def render(report: Report, picture: Picture | None = None) -> str:
    """The page."""
    from rules.render.templating import fill

    notes = tuple(told(note, 1000) for note in (picture.notes if picture else ()))
    findings = sorted(report.findings, key=lambda found: _ORDER.index(found.status))
    shown = _shown(findings)
    if len(findings) > len(shown):
        left = f"{len(findings) - len(shown)} more findings are in the JSON report."
        notes = (*notes, left)
    values: dict[str, Any] = {
        "heading": told(
            report.heading.removesuffix(
                "".join(f". {note}" for note in (picture.notes if picture else ()))
            ),
            300,
        ),
        "verdict": report.verdict.value,
        "summary": report.summary,
        "started": report.started.replace("T", " ").rstrip("Z"),
        "findings": shown,
        "groups": groups(findings),
        "notes": notes,
        "node_columns": NODE_COLUMNS,
        "roles": (),
        "more_roles": (),
        "nodes_left": 0,
        "ports": (),
        "labels": (),
        "heat": (),
        "heat_left": 0,
        "columns": (),
    }
    if picture is not None:
        values |= _nodes(picture) | _reach(picture)
    return fill("html/report.html.j2", **values)


def _shown(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """As many as a page has room for, the worst first, each text as long as it is shown."""
    shown: list[dict[str, Any]] = []
    room = MOST_FINDINGS_BYTES
    for found in findings[:MOST_FINDINGS]:
        whole = finding_document(found)
        document = whole | {name: told(whole[name] or "", most) for name, most in _LENGTHS.items()}
        names = names_of(found.nodes)
        room -= _MARKUP_BYTES + sum(len(str(text)) for text in (*document.values(), *names))
        if room < 0:
            break
        document |= {"nodes": names, "nodes_left": len(found.nodes) - len(names)}
        shown.append(document)
    return shown


def _nodes(picture: Picture) -> dict[str, Any]:
    rows = nodes(picture.deck)
    return {
        "roles": rows[:MOST_ROWS],
        "more_roles": rows[MOST_ROWS:],
        "nodes_left": max(0, len(picture.deck.cards) - MOST_NODES),
    }


def _reach(picture: Picture) -> dict[str, Any]:
    seen = heat(picture)
    rows = zip(seen.names, seen.rows, strict=True)
    left = f"{len(seen.names)} of {seen.all_names}" if seen.all_names > len(seen.names) else ""
    return {
        "labels": [told(label, LABEL) for label in labels(picture)],
        "columns": [told(name, NAME) for name in seen.names],
        "heat": [(told(name, NAME), [_cell(cell) for cell in row]) for name, row in rows],
        "heat_left": left,
        "ports": [
            (told(sender, LABEL), told(peer, LABEL), _shares(row))
            for (sender, peer), row in sorted(picture.role_ports.items())
        ],
    }


def _shares(row: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {told(label, LABEL): share for label, share in row.items()}


def _cell(cell: Cell | None) -> dict[str, str] | None:
    if cell is None:
        return None
    flows = {
        told(label, LABEL): [told(outcome, LABEL), told(detail, DETAIL)]
        for label, (outcome, detail) in cell.flows.items()
    }
    pair = f"{told(cell.sender, _PAIR)} to {told(cell.peer, _PAIR)}"
    return {"flows": json.dumps(flows), "pair": pair}

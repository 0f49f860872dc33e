"""The picture of many nodes in a terminal: the tables of the page, in columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from preflight.finding import Finding
from preflight.report.picture import (
    LABEL,
    NAME,
    NODE_COLUMNS,
    Heat,
    Picture,
    groups,
    heat,
    labels,
    nodes,
    told,
)

# Rows of nodes; a page finds the others by search, and the JSON report has them.
MOST_ROWS = 60
# Flows that have a table of pairs of their own: those with something broken.
_MOST_FLOWS = 8
# As on the page.
MARKS = {"open": "+", "lossy": "!", "unknown": "?"}
_BROKEN, _NOT_PROBED = "x", "."


def render(picture: Picture, findings: Sequence[Finding]) -> list[str]:
    """Nodes by role, clones, ports by role, and who reaches whom: of all flows, and of each flow
    that is not open everywhere."""
    lines = [*_nodes(picture), *_clones(findings), *_ports(picture)]
    seen = heat(picture)
    if seen.names:
        lines += [
            "",
            "Who reaches whom: rows send, columns are sent to; "
            "+ open, x broken, ! with a fault, ? not known, . not probed",
            *_pairs(seen, ""),
        ]
        for label in _broken(seen, labels(picture))[:_MOST_FLOWS]:
            lines += ["", f"Who reaches whom at {told(label, LABEL)}", *_pairs(seen, label)]
        if seen.all_names > len(seen.names):
            lines.append(f"{len(seen.names)} of {seen.all_names}: those with a broken pair first")
    return [*lines, ""]


def mark(cell_outcomes: Iterable[str]) -> str:
    """One character for what is worst."""
    worst = ""
    for outcome in cell_outcomes:
        if outcome != "open":
            return MARKS.get(outcome, _BROKEN)
        worst = outcome
    return MARKS[worst] if worst else _NOT_PROBED


def _nodes(picture: Picture) -> list[str]:
    rows = nodes(picture.deck)
    if not rows:
        return []
    left = [f"{len(rows) - MOST_ROWS} more nodes"] if len(rows) > MOST_ROWS else []
    return ["Nodes by role", *_columns([list(NODE_COLUMNS), *rows[:MOST_ROWS]]), *left]


def _clones(findings: Sequence[Finding]) -> list[str]:
    rows = [
        [", ".join(names) + (f" and {more} more" if more else ""), shared]
        for names, more, shared in groups(findings)
    ]
    return ["", "Clones and duplicates", *_columns(rows)] if rows else []


def _ports(picture: Picture) -> list[str]:
    if not picture.role_ports:
        return []
    every = labels(picture)
    rows = [["From", "To", *(told(label, LABEL) for label in every)]]
    for (sender, peer), shares in sorted(picture.role_ports.items()):
        cells = [
            f"{shares[label][0]} of {shares[label][1]}" if label in shares else _NOT_PROBED
            for label in every
        ]
        rows.append([told(sender, LABEL), told(peer, LABEL), *cells])
    return ["", "Ports by role: how many are open", *_columns(rows)]


def _broken(seen: Heat, every: Iterable[str]) -> list[str]:
    outcomes: dict[str, set[str]] = {}
    for row in seen.rows:
        for cell in row:
            for label, (outcome, _) in cell.flows.items() if cell else ():
                outcomes.setdefault(label, set()).add(outcome)
    return [label for label in every if outcomes.get(label, set()) - {"open"}]


def _pairs(seen: Heat, label: str) -> list[str]:
    """Columns are numbered, and rows have the numbers beside their names."""
    numbers = [str(number) for number in range(1, len(seen.names) + 1)]
    rows = [["", "", *numbers]]
    for number, name, row in zip(numbers, seen.names, seen.rows, strict=True):
        marks = [
            mark(
                outcome
                for flow, (outcome, _) in (cell.flows.items() if cell else ())
                if label in ("", flow)
            )
            for cell in row
        ]
        rows.append([number, told(name, NAME), *marks])
    return _columns(rows, gap=1)


def _columns(rows: Sequence[Sequence[str]], gap: int = 2) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    between = " " * gap
    lines = []
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
        lines.append(f"  {between.join(cells)}".rstrip())
    return lines

"""One self-contained page: a verdict, its findings, and for many nodes who reaches whom. Pure.

What comes from other machines is data: Jinja2 escapes it, and the page's policy
(Content-Security-Policy) lets it load nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from preflight.facts.model.known import Unknown
from preflight.finding import Finding, Status
from preflight.report.model import Report, finding_document
from rules.record import field, record

if TYPE_CHECKING:
    from preflight.fleet.answer import Cell
    from preflight.fleet.card import Deck

_ORDER = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.SKIP, Status.PASS)
# What a page shows of each list; the JSON report has all of it. Keeps it under 5 MiB.
MOST_FINDINGS = 2000
MOST_NAMES = 50
MOST_NODES = 500
MOST_HEAT = 60
# Ids of checks whose findings are groups of clones.
_GROUPS = frozenset(
    {
        "hostname-unique",
        "mac-unique",
        "product-uuid-unique",
        "machine-id-unique",
        "ssh-host-key-unique",
        "cloud-instance-unique",
        "address-duplicate",
    }
)


@record
class Picture:
    """What a page about many nodes has beside the findings."""

    deck: Deck
    cells: Sequence[Cell]
    role_ports: Mapping[tuple[str, str], Mapping[str, tuple[int, int]]] = field(
        default_factory=dict
    )
    notes: tuple[str, ...] = ()


def render(report: Report, picture: Picture | None = None) -> str:
    """The page."""
    from rules.render.templating import fill

    findings = sorted(report.findings, key=lambda found: _ORDER.index(found.status))
    values: dict[str, Any] = {
        "heading": report.heading.removesuffix(
            "".join(f". {note}" for note in (picture.notes if picture else ()))
        ),
        "verdict": report.verdict.value,
        "summary": report.summary,
        "started": report.started.replace("T", " ").rstrip("Z"),
        "findings": [
            {**finding_document(found), "nodes": found.nodes} for found in findings[:MOST_FINDINGS]
        ],
        "most_names": MOST_NAMES,
        "groups": _groups(findings),
        "notes": picture.notes if picture else (),
        "roles": (),
        "nodes_left": 0,
        "ports": (),
        "labels": (),
        "heat": (),
        "heat_left": 0,
        "columns": (),
    }
    if len(findings) > MOST_FINDINGS:
        values["notes"] = (
            *values["notes"],
            f"{len(findings) - MOST_FINDINGS} more findings are in the JSON report.",
        )
    if picture is not None:
        values |= _nodes(picture.deck) | _reach(picture)
    return fill("html/report.html.j2", **values)


def _groups(findings: Sequence[Finding]) -> list[tuple[tuple[str, ...], list[str]]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for each in findings:
        if each.id in _GROUPS and each.status in (Status.FAIL, Status.WARN) and each.nodes:
            found.setdefault(each.nodes, []).append(f"{each.id}: {each.observed}")
    return list(found.items())


def _nodes(deck: Deck) -> dict[str, Any]:
    def told(value: Any) -> str:
        return "not known" if isinstance(value, Unknown) else str(value or "none")

    order = {"master": 0, "multi-master": 1, "etcd": 2, "worker": 3}
    cards = sorted(deck.cards, key=lambda item: order.get(item.card.role, 4))
    rows = [
        {
            "role": item.card.role,
            "node": item.label,
            "addresses": ", ".join(item.card.addresses),
            "kubelet": told(item.card.kubelet),
            "cni": f"{item.card.cni}/{item.card.cni_mode}".rstrip("/"),
            "mtu": told(item.card.mtu),
        }
        for item in cards[:MOST_NODES]
    ]
    return {"roles": rows, "nodes_left": max(0, len(cards) - MOST_NODES)}


def _reach(picture: Picture) -> dict[str, Any]:
    labels = sorted({label for cell in picture.cells for label in cell.flows}, key=_port)
    broken = [cell for cell in picture.cells if cell.worst != "open"]
    names = list(
        dict.fromkeys(
            name for cell in (*broken, *picture.cells) for name in (cell.sender, cell.peer)
        )
    )
    chosen = sorted(names[:MOST_HEAT])
    by_pair = {(cell.sender, cell.peer): cell for cell in picture.cells}
    heat = [(sender, [_cell(by_pair.get((sender, peer))) for peer in chosen]) for sender in chosen]
    return {
        "labels": labels,
        "columns": chosen,
        "heat": heat,
        "heat_left": f"{len(chosen)} of {len(names)}" if len(names) > len(chosen) else "",
        "ports": [(*roles, row) for roles, row in sorted(picture.role_ports.items())],
    }


def _cell(cell: Cell | None) -> dict[str, str] | None:
    if cell is None:
        return None
    flows = {label[:40]: [outcome, detail[:300]] for label, (outcome, detail) in cell.flows.items()}
    return {"flows": json.dumps(flows), "pair": f"{cell.sender[:63]} to {cell.peer[:63]}"}


def _port(label: str) -> tuple[int, str]:
    port = label.partition("/")[0]
    return (int(port) if port.isdigit() else 0, label)

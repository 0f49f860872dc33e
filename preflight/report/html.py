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
from preflight.report.plain import printable
from rules.record import field, record

if TYPE_CHECKING:
    from preflight.fleet.answer import Cell
    from preflight.fleet.card import Deck

_ORDER = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.SKIP, Status.PASS)
# What a page shows of each list; the JSON report has all of it. Keeps it under 5 MiB.
MOST_FINDINGS = 2000
MOST_FINDINGS_BYTES = 2_500_000
MOST_NAMES = 50
MOST_HEAT = 60
MOST_GROUPS = 200
MOST_LABELS = 60
# Rows of the table of nodes that are laid out; a search looks at the rest too, as data.
MOST_ROWS = 500
MOST_NODES = 20_000
# Characters of each text of a finding; markup around them all.
_LENGTHS = {
    "id": 120, "title": 300, "message": 2000, "expected": 500, "observed": 500, "remedy": 1000,
}  # fmt: skip
_MARKUP_BYTES = 500
_NAME, _LABEL, _PAIR = 120, 40, 63
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

    notes = tuple(_text(note, 1000) for note in (picture.notes if picture else ()))
    findings = sorted(report.findings, key=lambda found: _ORDER.index(found.status))
    shown = _shown(findings)
    values: dict[str, Any] = {
        "heading": _text(
            report.heading.removesuffix(
                "".join(f". {note}" for note in (picture.notes if picture else ()))
            ),
            300,
        ),
        "verdict": report.verdict.value,
        "summary": report.summary,
        "started": report.started.replace("T", " ").rstrip("Z"),
        "findings": shown,
        "groups": _groups(findings),
        "notes": notes,
        "roles": (),
        "more_roles": (),
        "nodes_left": 0,
        "ports": (),
        "labels": (),
        "heat": (),
        "heat_left": 0,
        "columns": (),
    }
    if len(findings) > len(shown):
        left = f"{len(findings) - len(shown)} more findings are in the JSON report."
        values["notes"] = (*values["notes"], left)
    if picture is not None:
        values |= _nodes(picture.deck) | _reach(picture)
    return fill("html/report.html.j2", **values)


def _shown(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """As many as a page has room for, the worst first, each text as long as it is shown."""
    shown: list[dict[str, Any]] = []
    room = MOST_FINDINGS_BYTES
    for found in findings[:MOST_FINDINGS]:
        whole = finding_document(found)
        document = whole | {name: _text(whole[name] or "", most) for name, most in _LENGTHS.items()}
        nodes = _names(found.nodes)
        room -= _MARKUP_BYTES + sum(len(str(text)) for text in (*document.values(), *nodes))
        if room < 0:
            break
        document |= {"nodes": nodes, "nodes_left": len(found.nodes) - len(nodes)}
        shown.append(document)
    return shown


def _names(names: Sequence[str]) -> list[str]:
    return [_text(name, _NAME) for name in names[:MOST_NAMES]]


def _text(value: object, most: int) -> str:
    """A text of another machine: one line, no character that turns others around, not too long."""
    text = printable(str(value))
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _groups(findings: Sequence[Finding]) -> list[tuple[list[str], int, str]]:
    """Nodes, how many more of them there are, and what they share."""
    found: dict[tuple[str, ...], list[str]] = {}
    for each in findings:
        if each.id in _GROUPS and each.status in (Status.FAIL, Status.WARN) and each.nodes:
            found.setdefault(each.nodes, []).append(f"{each.id}: {each.observed}")
    return [
        (_names(nodes), max(0, len(nodes) - MOST_NAMES), _text("; ".join(shared), 1000))
        for nodes, shared in list(found.items())[:MOST_GROUPS]
    ]


def _nodes(deck: Deck) -> dict[str, Any]:
    def told(value: Any) -> str:
        return "not known" if isinstance(value, Unknown) else str(value or "none")

    order = {"master": 0, "multi-master": 1, "etcd": 2, "worker": 3}
    cards = sorted(deck.cards, key=lambda item: order.get(item.card.role, 4))
    rows = [
        [
            _text(item.card.role or "not said", _LABEL),
            _text(item.label, _NAME),
            _text(", ".join(item.card.addresses), 200),
            _text(told(item.card.kubelet), 60),
            _text(f"{item.card.cni}/{item.card.cni_mode}".rstrip("/"), 60),
            _text(told(item.card.mtu), 20),
        ]
        for item in cards[:MOST_NODES]
    ]
    return {
        "roles": rows[:MOST_ROWS],
        "more_roles": rows[MOST_ROWS:],
        "nodes_left": max(0, len(cards) - MOST_NODES),
    }


def _reach(picture: Picture) -> dict[str, Any]:
    labels = sorted({label for cell in picture.cells for label in cell.flows}, key=_port)
    labels = labels[:MOST_LABELS]
    broken = [cell for cell in picture.cells if cell.worst != "open"]
    names = list(
        dict.fromkeys(
            name for cell in (*broken, *picture.cells) for name in (cell.sender, cell.peer)
        )
    )
    chosen = sorted(names[:MOST_HEAT])
    by_pair = {(cell.sender, cell.peer): cell for cell in picture.cells}
    heat = [
        (_text(sender, _NAME), [_cell(by_pair.get((sender, peer))) for peer in chosen])
        for sender in chosen
    ]
    return {
        "labels": [_text(label, _LABEL) for label in labels],
        "columns": [_text(name, _NAME) for name in chosen],
        "heat": heat,
        "heat_left": f"{len(chosen)} of {len(names)}" if len(names) > len(chosen) else "",
        "ports": [
            (_text(sender, _LABEL), _text(peer, _LABEL), _shares(row))
            for (sender, peer), row in sorted(picture.role_ports.items())
        ],
    }


def _shares(row: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    return {_text(label, _LABEL): share for label, share in row.items()}


def _cell(cell: Cell | None) -> dict[str, str] | None:
    if cell is None:
        return None
    flows = {
        _text(label, _LABEL): [_text(outcome, _LABEL), _text(detail, 300)]
        for label, (outcome, detail) in cell.flows.items()
    }
    pair = f"{_text(cell.sender, _PAIR)} to {_text(cell.peer, _PAIR)}"
    return {"flows": json.dumps(flows), "pair": pair}


def _port(label: str) -> tuple[int, str]:
    port = label.partition("/")[0]
    return (int(port) if port.isdigit() else 0, label)

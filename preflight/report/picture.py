"""What a report about many nodes shows beside its findings, for a page and for a terminal. Pure.

Every text may come from another machine: ``told`` makes it one line that is not too long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from preflight.facts.model.known import Unknown
from preflight.finding import Finding, Status
from preflight.report.plain import printable
from rules.record import field, record

if TYPE_CHECKING:
    from preflight.fleet.answer import Cell
    from preflight.fleet.card import Deck

MOST_NAMES = 50
MOST_HEAT = 60
MOST_GROUPS = 200
MOST_LABELS = 60
MOST_NODES = 20_000
NAME, LABEL, DETAIL = 120, 40, 300
NODE_COLUMNS = ("Role", "Node", "Addresses", "Kubelet", "Pod network", "MTU")
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
_ROLES = {"master": 0, "multi-master": 1, "etcd": 2, "worker": 3}


@record
class Picture:
    """What is known about the nodes and the ways between them."""

    deck: Deck
    cells: Sequence[Cell]
    role_ports: Mapping[tuple[str, str], Mapping[str, tuple[int, int]]] = field(
        default_factory=dict
    )
    notes: tuple[str, ...] = ()


@record
class Heat:
    """Who reaches whom: of ``names``, the broken ones first, each as sender and as peer.

    ``rows``: of each name the cells towards all names; None: not probed. ``all_names``: how many
    there are in all.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[Cell | None, ...], ...]
    all_names: int


def told(value: object, most: int) -> str:
    """A text of another machine: one line, no character that turns others around, not too long."""
    text = printable(str(value))
    return text if len(text) <= most else f"{text[: most - 3]}..."


def names_of(names: Sequence[str]) -> list[str]:
    """The first of them, as they are shown."""
    return [told(name, NAME) for name in names[:MOST_NAMES]]


def groups(findings: Sequence[Finding]) -> list[tuple[list[str], int, str]]:
    """Clones: their names, how many more of them there are, and what they share."""
    found: dict[tuple[str, ...], list[str]] = {}
    for each in findings:
        if each.id in _GROUPS and each.status in (Status.FAIL, Status.WARN) and each.nodes:
            found.setdefault(each.nodes, []).append(f"{each.id}: {each.observed}")
    return [
        (names_of(nodes), max(0, len(nodes) - MOST_NAMES), told("; ".join(shared), 1000))
        for nodes, shared in list(found.items())[:MOST_GROUPS]
    ]


def nodes(deck: Deck) -> list[list[str]]:
    """A row for each node by role, see ``NODE_COLUMNS``."""

    def known(value: Any) -> str:
        return "not known" if isinstance(value, Unknown) else str(value or "none")

    cards = sorted(deck.cards, key=lambda item: _ROLES.get(item.card.role, len(_ROLES)))
    return [
        [
            told(item.card.role or "not said", LABEL),
            told(item.label, NAME),
            told(", ".join(item.card.addresses), 200),
            told(known(item.card.kubelet), 60),
            told(f"{item.card.cni}/{item.card.cni_mode}".rstrip("/"), 60),
            told(known(item.card.mtu), 20),
        ]
        for item in cards[:MOST_NODES]
    ]


def labels(picture: Picture) -> list[str]:
    """Every port that was probed, in order; not yet fit to show."""
    found = {label for cell in picture.cells for label in cell.flows}
    return sorted(found, key=_port)[:MOST_LABELS]


def heat(picture: Picture) -> Heat:
    """The table of pairs, as much of it as is shown."""
    broken = [cell for cell in picture.cells if cell.worst != "open"]
    found = list(
        dict.fromkeys(
            name for cell in (*broken, *picture.cells) for name in (cell.sender, cell.peer)
        )
    )
    chosen = sorted(found[:MOST_HEAT])
    by_pair = {(cell.sender, cell.peer): cell for cell in picture.cells}
    rows = tuple(tuple(by_pair.get((sender, peer)) for peer in chosen) for sender in chosen)
    return Heat(tuple(chosen), rows, len(found))


def _port(label: str) -> tuple[int, str]:
    port = label.partition("/")[0]
    return (int(port) if port.isdigit() else 0, label)

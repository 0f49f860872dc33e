"""What the commands that change the firewall print: one document, or lines for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from preflight.report.plain import printable

if TYPE_CHECKING:
    from rules.backend import Change
    from rules.lifecycle.rollback import Pending

Document = dict[str, Any]


def change_items(changes: Iterable[Change]) -> list[dict[str, str | None]]:
    """The contract's ``changes``."""
    return [
        {"object": change.object, "before": change.before, "after": change.after}
        for change in changes
    ]


def pending_item(pending: Pending | None) -> Document | None:
    """The unconfirmed change, None where there is none."""
    if pending is None:
        return None
    return {"id": pending.id, "until": pending.until, "must_be_confirmed": pending.confirm}


def change_line(name: str, before: str | None, after: str | None) -> str:
    """What becomes of one object, by name."""
    verb = "change"
    if before is None:
        verb = "create"
    elif after is None:
        verb = "remove"
    return f"  {verb} {printable(name)}"


def change_lines(changes: Iterable[Change], *, diff: bool) -> list[str]:
    """A line for each object, and with ``diff`` what changes in it."""
    lines: list[str] = []
    for change in changes:
        lines.append(change_line(change.object, change.before, change.after))
        if diff:
            import difflib

            lines += difflib.unified_diff(
                (change.before or "").splitlines(),
                (change.after or "").splitlines(),
                "before",
                "after",
                lineterm="",
            )
    return lines

"""What the host looks like at the moment in which a proof fails, before the pods are gone."""

from __future__ import annotations

import json
from collections.abc import Sequence

from preflight.cni.causes import Scene
from preflight.cni.remains import rulesets
from preflight.cni.services import SERVICE_LABEL
from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.run import run

_TIMEOUT_S = 10.0


def look(addresses: Sequence[IPAddress]) -> Scene:
    """Reads it; what cannot be read is left open. ``addresses`` are those of the pods."""
    four = next((item for item in addresses if item.version == 4), None)
    return Scene("" if four is None else _route(four), masquerades=_masquerades())


def _route(address: IPAddress) -> str:
    try:
        done = run(["ip", "-j", "route", "get", str(address)], timeout_s=_TIMEOUT_S)
        return str(json.loads(done.stdout)[0].get("dev", ""))
    except (CommandError, ValueError, LookupError, TypeError):
        return ""


def _masquerades() -> bool | None:
    """Whether any packet filter here masquerades, the proof's own Service aside."""
    try:
        texts = rulesets().values()
    except CommandError:
        return None
    return any(
        word in line
        for text in texts
        for line in _foreign(text)
        for word in ("masquerade", "MASQUERADE", "snat to", "-j SNAT")
    )


def _foreign(text: str) -> list[str]:
    """The lines of a ruleset without our own Service's table or rules."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith("table "):
            inside = SERVICE_LABEL in line
        if not inside and SERVICE_LABEL not in line:
            lines.append(line)
    return lines

"""What an ADD printed: the addresses, of any version of the specification. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def result_ips(result: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """(address with its prefix, gateway or empty), in order.

    Since 0.3.0 they are in ``ips``; 0.1.0 and 0.2.0 have ``ip4`` and ``ip6``.
    """
    said = result or {}
    listed = said.get("ips")
    if not isinstance(listed, list):
        listed = [said.get("ip4"), said.get("ip6")]
    ips = [item for item in listed if isinstance(item, dict)]
    return [
        (str(item.get("address") or item.get("ip")), str(item.get("gateway") or ""))
        for item in ips
        if item.get("address") or item.get("ip")
    ]

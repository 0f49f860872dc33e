"""The neighbour table: from `ip -j neigh`, else the IPv4 half from /proc/net/arp."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import Neighbour
from rules.run import Output


def parse_neighbours(text: str) -> tuple[Neighbour, ...]:
    """``ip -j neigh`` -> entries that have a MAC. Raises ValueError for what is not JSON."""
    found = []
    for item in json.loads(text or "[]"):
        if item.get("dst") and item.get("lladdr"):
            address, state = ip_address(str(item["dst"])), item.get("state") or [""]
            found.append(
                Neighbour(address, str(item.get("dev", "")), str(item["lladdr"]), str(state[0]))
            )
    return tuple(found)


def parse_proc_arp(text: str) -> tuple[Neighbour, ...]:
    """/proc/net/arp: the IPv4 half of the neighbour table; flag 2 is a complete entry."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) == 6 and int(words[2], 16) & 0x2:
            found.append(Neighbour(IPv4Address(words[0]), words[5], words[3], "REACHABLE"))
    return tuple(found)


def start_neighbours(host: Host) -> Callable[[], Known[tuple[Neighbour, ...]]]:
    """Starts `ip -j neigh`; calling the answer waits, and reads /proc/net/arp where it must."""
    answer = host.start(("ip", "-j", "neigh"))

    def finish() -> Known[tuple[Neighbour, ...]]:
        output = answer()
        if isinstance(output, Output):
            try:
                return parse_neighbours(output.stdout)
            except (ValueError, AttributeError):
                pass
        text = host.read("/proc/net/arp")
        return text if isinstance(text, Unknown) else parse_proc_arp(text)

    return finish

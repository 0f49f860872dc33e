"""Ranges of ports as the kernel writes them below /proc/sys. Pure."""

from __future__ import annotations

from preflight.facts.model import Known, Unknown

RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"


def parse_port_range(text: str) -> Known[tuple[int, int]]:
    """``32768\t60999`` -> both ends, included."""
    words = text.split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return Unknown("failed", f"{RANGE} holds no range: {text.strip()[:60]!r}")
    return int(words[0]), int(words[1])


def parse_reserved(text: str) -> Known[tuple[tuple[int, int], ...]]:
    """``8080,9000-9010`` -> ranges, both ends included; an empty line reserves nothing."""
    found = []
    for item in text.strip().split(","):
        first, _, last = item.partition("-")
        if not item:
            continue
        if not first.isdecimal() or not (last or first).isdecimal():
            return Unknown("failed", f"{RESERVED} holds no ports: {text.strip()[:60]!r}")
        found.append((int(first), int(last or first)))
    return tuple(found)

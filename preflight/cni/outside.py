"""What lies beyond this node that its pods should reach: the next hop, the name servers."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

from preflight.cni.questions import Outside
from rules.errors import CommandError, UsageError
from rules.run import run

_TIMEOUT_S = 10.0
_DNS_PORT = 53


def parse_outside(word: str) -> Outside:
    """``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``. Raises UsageError for what is none, or
    nothing that a pod could reach."""
    host, port = word, 0
    head, colon, tail = word.rpartition(":")
    if colon and tail.isdecimal() and (word.startswith("[") or head.count(":") == 0):
        host, port = head, int(tail)
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        raise UsageError(f"--outside takes ADDRESS or ADDRESS:PORT, not {word!r}") from None
    if port > 65535 or address.is_loopback or address.is_unspecified:
        raise UsageError(f"--outside {word}: no place that a pod could reach")
    return Outside(address, port)


def usual_places() -> tuple[Outside, ...]:
    """The next hops of the default routes, to ping, and the name servers, to connect to."""
    return tuple(dict.fromkeys([*_next_hops(), *_name_servers()]))


def _next_hops() -> list[Outside]:
    found = []
    for flag in ("-4", "-6"):
        try:
            text = run(["ip", flag, "-j", "route", "show", "default"], timeout_s=_TIMEOUT_S).stdout
            routes: Any = json.loads(text or "[]")
        except (CommandError, ValueError):
            continue
        for route in routes:
            hops = (route, *route.get("nexthops", ()))
            found += [ip_address(hop["gateway"]) for hop in hops if hop.get("gateway")]
    # A link-local next hop has a meaning on its link alone.
    return [Outside(address) for address in found if not address.is_link_local]


def _name_servers() -> list[Outside]:
    try:
        with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as stream:
            lines = [line.split() for line in stream]
    except OSError:
        return []
    found = []
    for words in lines:
        if words[:1] == ["nameserver"] and len(words) > 1:
            try:
                address = ip_address(words[1])
            except ValueError:
                continue
            if not address.is_loopback and not address.is_link_local:
                found.append(Outside(address, _DNS_PORT))
    return found

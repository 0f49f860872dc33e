"""Routes of every table: from `ip -j`, from plain `ip`, else the main ones from /proc/net."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address
from itertools import pairwise
from typing import Any

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import IPAddress, IPNetwork, Route
from preflight.facts.procroutes import parse_proc_ipv6_route, parse_proc_route
from rules.record import record

_TYPES = frozenset(
    (
        "unicast",
        "local",
        "broadcast",
        "multicast",
        "anycast",
        "throw",
        "unreachable",
        "prohibit",
        "blackhole",
        "nat",
    )
)
_TABLES = {"254": "main", "255": "local", "253": "default"}
_V4_ANY, _V6_ANY = IPv4Network("0.0.0.0/0"), IPv6Network("::/0")


@record
class RouteTables:
    """The routes, and why those of other tables than main and local are not among them."""

    routes: Known[tuple[Route, ...]]
    other_tables: Unknown | None = None


def _network(text: str, family: int) -> IPNetwork | None:
    if text in ("default", "all"):
        return _V4_ANY if family == 4 else _V6_ANY
    try:
        return IPv4Network(text, strict=False) if family == 4 else IPv6Network(text, strict=False)
    except ValueError:
        return None


def _address(text: object) -> IPAddress | None:
    try:
        return ip_address(str(text)) if text else None
    except ValueError:
        return None


def parse_routes(text: str, family: int) -> tuple[Route, ...]:
    """``ip [-j] -4|-6 route show table all`` -> routes of every table.

    iproute2 before 4.16 and busybox print plain text, with -j or without it. Raises ValueError
    for text that is neither.
    """
    if not text.lstrip().startswith(("[", "{")):
        return _parse_plain(text, family)
    items = json.loads(text)
    found = [_from_json(item, family) for item in items if isinstance(item, dict) and "dst" in item]
    return tuple(route for route in found if route is not None)


def _from_json(item: dict[str, Any], family: int) -> Route | None:
    destination = _network(str(item["dst"]), family)
    if destination is None:
        return None
    # Of several next hops the first: what is asked of a route is where it leads at all.
    hop = item if "dev" in item else next(iter(item.get("nexthops") or ()), item)
    via = hop.get("gateway") or (hop.get("via") or {}).get("host")
    table = str(item.get("table", "main"))
    return Route(
        destination,
        str(hop.get("dev", "")),
        _address(via),
        int(item.get("metric", 0)),
        _TABLES.get(table, table),
        str(item.get("type", "unicast")),
        str(item.get("protocol", "")),
        _address(item.get("prefsrc")),
    )


def _parse_plain(text: str, family: int) -> tuple[Route, ...]:
    lines: list[list[str]] = []
    for line in text.splitlines():
        words = line.split()
        if words and line[0].isspace():
            # Next hops of the route above.
            if lines:
                lines[-1] += words[1:]
        elif words:
            lines.append(words)
    found = []
    for words in lines:
        kind = words.pop(0) if words[0] in _TYPES else "unicast"
        destination = _network(words[0], family) if words else None
        if destination is None:
            continue
        said: dict[str, str] = {}
        for key, value in pairwise(words):
            said.setdefault(key, value)
        table, metric = said.get("table", "main"), said.get("metric", "0")
        via = said.get("via")
        if via in ("inet", "inet6"):
            via = said.get(via)
        found.append(
            Route(
                destination,
                said.get("dev", ""),
                _address(via),
                int(metric) if metric.isdecimal() else 0,
                _TABLES.get(table, table),
                kind,
                said.get("proto", ""),
                _address(said.get("src")),
            )
        )
    return tuple(found)


def start_routes(host: Host) -> Callable[[], RouteTables]:
    """Starts `ip` for both families; calling the answer waits and reads /proc where it must."""
    # A kernel without IPv6 has no such file, and `ip -6` then fails.
    families = (4, 6) if os.path.exists("/proc/net/if_inet6") else (4,)
    answers = {
        family: host.start(("ip", f"-{family}", "-j", "route", "show", "table", "all"))
        for family in families
    }

    def finish() -> RouteTables:
        found: list[Route] = []
        for family, answer in answers.items():
            output = answer()
            if isinstance(output, Unknown) and output.reason == "failed":
                # busybox's ip has no -j.
                output = host.run(("ip", f"-{family}", "route", "show", "table", "all"))
            if isinstance(output, Unknown):
                return read_proc(host, output)
            try:
                found += parse_routes(output.stdout, family)
            except (ValueError, TypeError, KeyError) as error:
                unknown = Unknown("failed", f"what ip prints of routes cannot be read: {error}")
                return read_proc(host, unknown)
        return RouteTables(tuple(found))

    return finish


def read_proc(host: Host, why: Unknown) -> RouteTables:
    """The main tables out of /proc/net, where `ip` did not answer because of ``why``."""
    v4 = host.read("/proc/net/route")
    if isinstance(v4, Unknown):
        return RouteTables(why, why)
    v6 = host.read("/proc/net/ipv6_route")
    routes = parse_proc_route(v4) + (() if isinstance(v6, Unknown) else parse_proc_ipv6_route(v6))
    return RouteTables(routes, why)

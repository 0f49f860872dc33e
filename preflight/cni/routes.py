"""Routes to other nodes' pods in the kernel, by netlink.

Only the route without a metric of its own is looked at and changed: it is the one that counts, and
one of somebody else with a metric stays beside it.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from ipaddress import ip_address, ip_network
from typing import Any

from preflight.facts import netlink
from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.record import record

_WAY = re.compile(
    r"(?:via (?P<gateway>\S+) )?dev (?P<link>\S+)"
    r"(?: proto (?P<proto>\d+))?(?: src (?P<source>\S+))?"
)
# struct rtmsg of <linux/rtnetlink.h>: family, lengths of both ranges, TOS, table, who made it,
# scope, type, flags. Then the request, and attributes.
_HEADER = struct.Struct("=8BI")
_GET_ROUTE = 26
_TO, _LINK, _GATEWAY, _METRIC, _SOURCE, _TABLE = 1, 4, 5, 6, 7, 15
_MAIN_TABLE = 254
# What the kernel takes for a metric that nobody gave (IP6_RT_PRIO_USER of net/ip6_route.h).
_NO_METRIC = {4: 0, 6: 1024}
# RTPROT_STATIC of <linux/rtnetlink.h>: set by an administrator. So are ours.
_STATIC = 4
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@record
class Route:
    """``link`` and ``proto`` as the kernel's numbers; ``gateway`` and ``source`` empty: none."""

    gateway: str
    link: int
    proto: int
    source: str


def read(name: str) -> str | None:
    """``[via GATEWAY] dev LINK [proto N] [src ADDRESS]`` of the route to a range; None: no route.

    ``proto`` is who made it, where that is not an administrator.
    """
    network = ip_network(name)
    route = _table(network.version).get((network.network_address, network.prefixlen))
    link = "" if route is None else _name(route.link)
    if route is None or not link:
        return None
    words = [f"via {route.gateway}"] if route.gateway else []
    words.append(f"dev {link}")
    words += [f"proto {route.proto}"] if route.proto != _STATIC else []
    words += [f"src {route.source}"] if route.source else []
    return " ".join(words)


def write(name: str, state: str | None) -> None:
    """Sets the route, or takes it away. Raises CommandError."""
    network = ip_network(name)
    words: dict[str, Any] = {"dst": name, "family": _FAMILIES[network.version]}
    if state is None:
        if read(name) is not None:
            with _iproute() as iproute:
                iproute.route("del", priority=_NO_METRIC[network.version], **words)
        return
    match = _WAY.fullmatch(state)
    if match is None:
        raise CommandError("failed", f"route {name}: {state!r} is no way")
    words["proto"] = int(match["proto"] or _STATIC)
    words |= {"gateway": match["gateway"]} if match["gateway"] else {}
    words |= {"prefsrc": match["source"]} if match["source"] else {}
    with _iproute() as iproute:
        try:
            words["oif"] = socket.if_nametoindex(match["link"])
        except OSError:
            raise CommandError(
                "failed", f"route {name}: no link is called {match['link']}"
            ) from None
        iproute.route("replace", **words)


def way_to(address: str) -> str:
    """``via ADDRESS dev LINK`` where a link leads there without a router; empty elsewhere."""
    own = ip_address(address)
    body = _HEADER.pack(_FAMILIES[own.version], own.max_prefixlen, *[0] * 7)
    try:
        answer = netlink.ask(netlink.ROUTE, _GET_ROUTE, body + netlink.attribute(_TO, own.packed))
    except OSError:
        return ""  # no route leads there
    said = netlink.attributes(answer, _HEADER.size)
    if _GATEWAY in said or _LINK not in said:
        return ""
    link = _name(_number(said[_LINK]))
    return "" if link in ("", "lo") else f"via {address} dev {link}"


def forget() -> None:
    """The kernel is asked anew: what was read before does not count."""
    _table.cache_clear()


@lru_cache(maxsize=2)
def _table(version: int) -> dict[tuple[IPAddress, int], Route]:
    """The main table's routes without a metric, by range; one question for all of them, until
    ``forget``."""
    body = _HEADER.pack(_FAMILIES[version], *[0] * 8)
    try:
        answers = netlink.dump(netlink.ROUTE, _GET_ROUTE, body)
    except OSError as error:
        raise CommandError("failed", f"the kernel's routes: {error.strerror}") from None
    found: dict[tuple[IPAddress, int], Route] = {}
    for answer in answers:
        _, length, _, _, table, proto, *_ = _HEADER.unpack_from(answer)
        said = netlink.attributes(answer, _HEADER.size)
        table = _number(said.get(_TABLE, b"")) or table
        metric = _number(said.get(_METRIC, b""))
        if table == _MAIN_TABLE and metric == _NO_METRIC[version] and _LINK in said:
            to = ip_address(said.get(_TO, bytes(4 if version == 4 else 16)))
            gateway, source = (
                str(ip_address(said[each])) if each in said else "" for each in (_GATEWAY, _SOURCE)
            )
            route = Route(gateway, _number(said[_LINK]), proto, source)
            found.setdefault((to, length), route)
    return found


def _name(link: int) -> str:
    """Empty for one that went meanwhile, and its routes with it."""
    try:
        return socket.if_indextoname(link)
    except OSError:
        return ""


def _number(value: bytes) -> int:
    return int.from_bytes(value, sys.byteorder)


@contextmanager
def _iproute() -> Iterator[Any]:
    """An open IPRoute for the block, whose errors come out as CommandError. What was read before
    does not count afterwards."""
    # Its import takes 0.14 s, and it has no types.
    pyroute2: Any = import_module("pyroute2")
    try:
        with pyroute2.IPRoute() as iproute:
            yield iproute
    except pyroute2.NetlinkError as error:
        reason = "denied" if error.code in (errno.EPERM, errno.EACCES) else "failed"
        raise CommandError(reason, f"netlink: {os.strerror(error.code)}") from None
    finally:
        forget()

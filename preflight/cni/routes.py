"""Routes to other nodes' pods in the kernel, by netlink.

Only the route without a metric of its own is looked at and changed: it is the one that counts, and
one of somebody else with a metric stays beside it.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from ipaddress import ip_address, ip_network
from typing import Any

from rules.errors import CommandError

_WAY = re.compile(
    r"(?:via (?P<gateway>\S+) )?dev (?P<link>\S+)"
    r"(?: proto (?P<proto>\d+))?(?: src (?P<source>\S+))?"
)
_MAIN_TABLE = 254
# What the kernel takes for a metric that nobody gave (IP6_RT_PRIO_USER of net/ip6_route.h).
_NO_METRIC = {4: 0, 6: 1024}
# RTPROT_STATIC of <linux/rtnetlink.h>: set by an administrator. So are ours.
_STATIC = 4
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def read(name: str) -> str | None:
    """``[via GATEWAY] dev LINK [proto N] [src ADDRESS]`` of the route to a range; None: no route.

    ``proto`` is who made it, where that is not an administrator.
    """
    network = ip_network(name)
    with _netlink() as netlink:
        for route in _dump(netlink, network.version):
            said = dict(route["attrs"])
            to = said.get("RTA_DST", _any(network.version))
            metric = said.get("RTA_PRIORITY", 0)
            if (
                (ip_address(to), route["dst_len"]) == (network.network_address, network.prefixlen)
                and metric == _NO_METRIC[network.version]
                and "RTA_OIF" in said
            ):
                words = [f"via {said['RTA_GATEWAY']}"] if "RTA_GATEWAY" in said else []
                words.append(f"dev {_name(netlink, said['RTA_OIF'])}")
                words += [f"proto {route['proto']}"] if route["proto"] != _STATIC else []
                words += [f"src {said['RTA_PREFSRC']}"] if "RTA_PREFSRC" in said else []
                return " ".join(words)
    return None


def write(name: str, state: str | None) -> None:
    """Sets the route, or takes it away. Raises CommandError."""
    network = ip_network(name)
    words: dict[str, Any] = {"dst": name, "family": _FAMILIES[network.version]}
    if state is None:
        if read(name) is not None:
            with _netlink() as netlink:
                netlink.route("del", priority=_NO_METRIC[network.version], **words)
        return
    match = _WAY.fullmatch(state)
    if match is None:
        raise CommandError("failed", f"route {name}: {state!r} is no way")
    words["proto"] = int(match["proto"] or _STATIC)
    words |= {"gateway": match["gateway"]} if match["gateway"] else {}
    words |= {"prefsrc": match["source"]} if match["source"] else {}
    with _netlink() as netlink:
        try:
            words["oif"] = socket.if_nametoindex(match["link"])
        except OSError:
            raise CommandError(
                "failed", f"route {name}: no link is called {match['link']}"
            ) from None
        netlink.route("replace", **words)


def way_to(address: str) -> str:
    """``via ADDRESS dev LINK`` where a link leads there without a router; empty elsewhere."""
    own = ip_address(address)
    try:
        with _netlink() as netlink:
            found = list(netlink.route("get", dst=address, family=_FAMILIES[own.version]))
            said = dict(found[0]["attrs"]) if found else {}
            if "RTA_GATEWAY" in said or "RTA_OIF" not in said:
                return ""
            link = _name(netlink, said["RTA_OIF"])
    except CommandError:
        return ""
    return "" if link == "lo" else f"via {address} dev {link}"


def _dump(netlink: Any, version: int) -> Iterator[Any]:
    for route in netlink.get_routes(family=_FAMILIES[version], table=_MAIN_TABLE):
        if dict(route["attrs"]).get("RTA_TABLE", route["table"]) == _MAIN_TABLE:
            yield route


def _any(version: int) -> str:
    return "0.0.0.0" if version == 4 else "::"  # noqa: S104 - the default route's destination


def _name(netlink: Any, index: int) -> str:
    return str(netlink.get_links(index)[0].get_attr("IFLA_IFNAME"))


@contextmanager
def _netlink() -> Iterator[Any]:
    """An open IPRoute for the block, whose errors come out as CommandError."""
    # Its import takes 0.14 s, and it has no types.
    pyroute2: Any = import_module("pyroute2")
    try:
        with pyroute2.IPRoute() as netlink:
            yield netlink
    except pyroute2.NetlinkError as error:
        reason = "denied" if error.code in (errno.EPERM, errno.EACCES) else "failed"
        raise CommandError(reason, f"netlink: {os.strerror(error.code)}") from None

"""Routes as /proc/net shows them: the main tables, for machines without `ip`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from preflight.facts.model.network import Route

# include/uapi/linux/route.h, ipv6_route.h
_RTF_REJECT, _RTF_LOCAL = 0x0200, 0x80000000


def parse_proc_route(text: str) -> tuple[Route, ...]:
    """/proc/net/route: the main table of IPv4; addresses are little-endian hex."""
    found = []
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) < 8:
            continue
        destination, gateway, mask = (
            IPv4Address(bytes.fromhex(words[place])[::-1]) for place in (1, 2, 7)
        )
        # A route that drops has no device.
        drops = words[0] == "*" or int(words[3], 16) & _RTF_REJECT
        found.append(
            Route(
                IPv4Network(f"{destination}/{mask}", strict=False),
                "" if drops else words[0],
                gateway if int(gateway) else None,
                int(words[6]),
                type="unreachable" if drops else "unicast",
            )
        )
    return tuple(found)


def parse_proc_ipv6_route(text: str) -> tuple[Route, ...]:
    """/proc/net/ipv6_route: routes of IPv6; those of this node's own addresses are ``local``."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) != 10:
            continue
        gateway, flags = IPv6Address(bytes.fromhex(words[4])), int(words[8], 16)
        local = bool(flags & _RTF_LOCAL)
        kind = "local" if local else "unreachable" if flags & _RTF_REJECT else "unicast"
        found.append(
            Route(
                IPv6Network((bytes.fromhex(words[0]), int(words[1], 16)), strict=False),
                words[9],
                gateway if int(gateway) else None,
                int(words[5], 16),
                "local" if local or words[0].startswith("ff") else "main",
                kind,
            )
        )
    return tuple(found)

"""Values of `nft -j`: addresses, ports, words, ranges and prefixes as numbers. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from rules.parse import names
from rules.ruleset import Field


class NotModelled(Exception):
    """An expression for which the model has no word."""


# nft's datatypes -> the words of their values; empty: numbers only.
_WORDS: dict[str, dict[str, int]] = {
    "inet_proto": names.PROTOCOLS,
    "inet_service": {},
    "mark": {},
    "integer": {},
    "nf_proto": names.NFPROTO,
    "ether_type": names.ETHERTYPES,
    "icmp_type": names.ICMP_TYPES,
    "icmpv6_type": names.ICMPV6_TYPES,
    "icmp_code": names.ICMP_CODES,
    "icmpv6_code": names.ICMPV6_CODES,
    "tcp_flag": names.TCP_FLAGS,
    "ct_state": names.CT_STATES,
    "ct_status": names.CT_STATUS,
    "ct_dir": names.CT_DIRECTIONS,
    "pkt_type": names.PACKET_TYPES,
    "fib_addrtype": names.ROUTE_TYPES,
    "oif": {"missing": 0},
}
_TYPES = {
    "ip saddr": "ipv4_addr",
    "ip daddr": "ipv4_addr",
    "ip6 saddr": "ipv6_addr",
    "ip6 daddr": "ipv6_addr",
    "ip protocol": "inet_proto",
    "ip version": "integer",
    "ip frag-off": "integer",
    "ip6 nexthdr": "inet_proto",
    "ip6 version": "integer",
    "meta l4proto": "inet_proto",
    "meta nfproto": "nf_proto",
    "meta protocol": "ether_type",
    "meta iif": "ifname",
    "meta oif": "ifname",
    "meta iifname": "ifname",
    "meta oifname": "ifname",
    "meta mark": "mark",
    "meta pkttype": "pkt_type",
    "tcp flags": "tcp_flag",
    "icmp type": "icmp_type",
    "icmp code": "icmp_code",
    "icmpv6 type": "icmpv6_type",
    "icmpv6 code": "icmpv6_code",
    "ct state": "ct_state",
    "ct status": "ct_status",
    "ct direction": "ct_dir",
    "ct mark": "mark",
    "ct protocol": "inet_proto",
    "ct l3proto": "nf_proto",
    "fib daddr type": "fib_addrtype",
    "fib saddr type": "fib_addrtype",
    "fib daddr . iif type": "fib_addrtype",
    "fib saddr . iif type": "fib_addrtype",
    "fib saddr oif": "oif",
    "random": "integer",
    **{
        f"{protocol} {port}": "inet_service"
        for protocol in (*names.PORT_PROTOCOLS, "th")
        for port in ("sport", "dport")
    },
    **{
        f"ct {direction} {port}": "inet_service"
        for direction in ("original", "reply")
        for port in ("proto-src", "proto-dst")
    },
    **{
        f"ct {direction} {family} {address}": kind
        for direction in ("original", "reply")
        for family, kind in (("ip", "ipv4_addr"), ("ip6", "ipv6_addr"))
        for address in ("saddr", "daddr")
    },
}
_ADDRESSES = {"ipv4_addr": IPv4Address, "ipv6_addr": IPv6Address}


def datatype(key_name: str) -> str:
    """nft's name for the type of a key's values. Raises NotModelled for a key that nobody reads."""
    try:
        return _TYPES[key_name]
    except KeyError:
        raise NotModelled(key_name) from None


def number(kind: str, value: Any) -> int:
    """One value of a datatype as a number; a list of flags as their sum."""
    if value is True or value is False:
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, list):
        return sum(number(kind, item) for item in value)
    if isinstance(value, dict) and set(value) == {"|"}:
        return sum(number(kind, item) for item in value["|"])
    if not isinstance(value, str):
        raise NotModelled(str(value))
    if reader := _ADDRESSES.get(kind):
        try:
            return int(reader(value))
        except ValueError:
            raise NotModelled(value) from None
    words = _WORDS.get(kind)
    if words is None:
        raise NotModelled(value)
    if value in words:
        return words[value]
    try:
        return int(value, 0)
    except ValueError:
        raise NotModelled(value) from None


def parse_field(kind: str, value: Any) -> Field:
    """One value, range or prefix of a datatype. Raises NotModelled."""
    if isinstance(value, dict) and "elem" in value:
        return parse_field(kind, value["elem"]["val"])
    if kind == "ifname":
        if not isinstance(value, str) or value.startswith("@"):
            raise NotModelled(str(value))
        return value
    if isinstance(value, dict) and "range" in value:
        first, last = value["range"]
        return number(kind, first), number(kind, last)
    if isinstance(value, dict) and "prefix" in value:
        return _prefix(kind, value["prefix"])
    if value == "*":
        return 0, (1 << 128) - 1
    one = number(kind, value)
    return one, one


def _prefix(kind: str, value: dict[str, Any]) -> Field:
    if kind not in _ADDRESSES:
        # nft prints port and mark ranges that are prefixes as such in rare places.
        raise NotModelled(str(value))
    try:
        address, length = ip_address(value["addr"]), int(value["len"])
        if not isinstance(address, _ADDRESSES[kind]):
            raise NotModelled(str(value))
        network = ip_network((address, length), strict=False)
    except ValueError:
        raise NotModelled(str(value)) from None
    return int(network.network_address), int(network.broadcast_address)

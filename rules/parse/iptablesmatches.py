"""Match extensions of iptables -> matches. What is not modelled keeps its text. Pure.

Source: iptables-extensions(8), and the kernel's net/netfilter/xt_*.c for what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network

from rules.parse import names
from rules.parse.ipset import IpSet
from rules.parse.iptableswords import Option, Segment, options, read_option, segment_text
from rules.ruleset import (
    FULL_MASK,
    AllOf,
    AnyOf,
    Field,
    Key,
    Lookup,
    Match,
    Range,
    Test,
    Unsupported,
)

NEVER = AnyOf(())
_DNAT, _SNAT = names.CT_STATUS["dnat"], names.CT_STATUS["snat"]
_NO_CONNECTION: tuple[Field, ...] = ((1, 1), (64, 64))


@lru_cache(maxsize=256)
def key(name: str, mask: int | None = None) -> Key:
    """One object for each key."""
    return Key(name, mask)


class Context:
    """What a rule's extensions may need to know: the family and the ipsets."""

    def __init__(self, family: int, ipsets: Mapping[str, IpSet]) -> None:
        self.family, self.ipsets = family, ipsets
        self.ip = "ip" if family == 4 else "ip6"
        # Words -> what they mean; most rules of a large ruleset share theirs.
        self.known: dict[Segment, tuple[Match, ...]] = {}


def matches_of(segment: Segment, context: Context) -> tuple[Match, ...]:
    """The matches of one segment; never raises for an unknown one."""
    name, words = segment
    if name in _TRUE:
        return ()
    if not name:
        found: tuple[Match, ...] = ()
        for option in options(words):
            found += _remembered((name, option), context)
        return found
    return _remembered(segment, context)


def _remembered(segment: Segment, context: Context) -> tuple[Match, ...]:
    if (found := context.known.get(segment)) is None:
        found = context.known[segment] = _read(segment, context)
    return found


def _read(segment: Segment, context: Context) -> tuple[Match, ...]:
    name, words = segment
    if (reader := _READERS.get(name)) is not None:
        try:
            return tuple(reader(segment, [read_option(item) for item in options(words)], context))
        except (ValueError, KeyError, IndexError, OSError):
            pass
    return (Unsupported(segment_text(segment)),)


# Always true: for people, or counting only.
_TRUE = frozenset({"comment", "nfacct"})
_Reader = Callable[[Segment, list[Option], Context], list[Match]]


def _each(reader: Callable[[Option, Context], Match | None]) -> _Reader:
    def read(_segment: Segment, found: list[Option], context: Context) -> list[Match]:
        matches = [reader(option, context) for option in found]
        return [match for match in matches if match is not None]

    return read


def number_range(text: str, separator: str = ":") -> Range:
    """``80``, ``80:90``, ``:90``, ``80:``."""
    first, found, last = text.partition(separator)
    if not found:
        return int(first), int(first)
    return int(first or "0"), int(last or "65535")


def masked(text: str) -> tuple[int, int]:
    """``0x1/0xff`` -> value, mask."""
    value, _, mask = text.partition("/")
    return int(value, 0), int(mask, 0) if mask else FULL_MASK


def _plain(option: Option, context: Context) -> Match | None:
    value = option.values[0] if option.values else ""
    if option.name in ("-s", "-d", "--source", "--destination"):
        side = "saddr" if option.name in ("-s", "--source") else "daddr"
        return _address(f"{context.ip} {side}", value, option.negated)
    if option.name in ("-i", "-o", "--in-interface", "--out-interface"):
        side = "iifname" if option.name in ("-i", "--in-interface") else "oifname"
        name = f"{value[:-1]}*" if value.endswith("+") else value
        return Test(key(f"meta {side}"), (name,), option.negated)
    if option.name in ("-p", "--protocol"):
        return _protocol(value, option.negated)
    if option.name == "-f":
        return Test(key("ip frag-off", 0x1FFF), ((0, 0),), not option.negated)
    if option.name in ("-4", "-6", "-c", "--ipv4", "--ipv6", "--set-counters"):
        return None
    raise ValueError(option.name)


def _protocol(value: str, negated: bool) -> Match | None:
    if value in ("all", "0"):
        return NEVER if negated else None
    number = int(value) if value.isdigit() else names.PROTOCOLS[value]
    return Test(key("meta l4proto"), ((number, number),), negated)


def _ipv4_value(text: str) -> int:
    """Dotted quad -> its 32 bits. Raises ValueError (from bytes() too, for a part over 255)."""
    parts = bytes(map(int, text.split(".")))
    if len(parts) != 4:
        raise ValueError(f"{text!r} is not an IPv4 address")
    return int.from_bytes(parts, "big")


def _address(name: str, text: str, negated: bool) -> Match:
    wide = 32 if name.startswith("ip ") else 128
    address, _, mask = text.partition("/")
    if wide == 32 and (mask.isdigit() or not mask):
        # Most rules have one of these, and ipaddress takes 20 us for it.
        first = _ipv4_value(address)
        rest = (1 << (32 - int(mask or 32))) - 1
        return Test(key(name), ((first & ~rest, first | rest),), negated)
    if mask and not mask.isdigit():
        bits = int(ip_address(mask))
        value = int(ip_address(address)) & bits
        rest = bits ^ ((1 << wide) - 1)
        if rest & (rest + 1):
            return Test(key(name, bits), ((value, value),), negated)
        return Test(key(name), ((value, value | rest),), negated)
    network = ip_network(text, strict=False)
    first = int(network.network_address)
    return Test(key(name), ((first, first + network.num_addresses - 1),), negated)


_PORTS = {
    "--sport": "sport",
    "--source-port": "sport",
    "--dport": "dport",
    "--destination-port": "dport",
}


def _transport(segment: Segment, found: list[Option], _context: Context) -> list[Match]:
    protocol = segment[0]
    matches: list[Match] = []
    for option in found:
        if option.name in _PORTS:
            name = f"{protocol} {_PORTS[option.name]}"
            matches.append(Test(key(name), (number_range(option.values[0]),), option.negated))
        elif protocol == "tcp" and option.name == "--tcp-flags":
            mask, wanted = _flags(option.values[0]), _flags(option.values[1])
            matches.append(Test(key("tcp flags", mask), ((wanted, wanted),), option.negated))
        elif protocol == "tcp" and option.name == "--syn":
            matches.append(Test(key("tcp flags", 0x17), ((2, 2),), option.negated))
        else:
            raise ValueError(option.name)
    return matches


def _flags(text: str) -> int:
    if text in ("ALL", "NONE"):
        return 0x3F if text == "ALL" else 0
    return sum(names.TCP_FLAGS[word.lower()] for word in text.split(","))


def _multiport(option: Option, _context: Context) -> Match:
    ranges = tuple(number_range(item) for item in option.values[0].split(","))
    if option.name in ("--sports", "--source-ports"):
        return Test(key("th sport"), ranges, option.negated)
    if option.name in ("--dports", "--destination-ports"):
        return Test(key("th dport"), ranges, option.negated)
    if option.name != "--ports":
        raise ValueError(option.name)
    either = (Test(key("th sport"), ranges), Test(key("th dport"), ranges))
    return AnyOf(either, option.negated)


def _icmp(option: Option, context: Context) -> Match | None:
    protocol = "icmp" if context.family == 4 else "icmpv6"
    if option.name not in ("--icmp-type", "--icmpv6-type"):
        raise ValueError(option.name)
    text = option.values[0]
    if text in ("any", "255", "255/255"):
        return NEVER if option.negated else None
    kind, _, code = text.partition("/")
    if kind.isdigit():
        number = int(kind)
    else:
        number = (names.ICMP_TYPES if context.family == 4 else names.ICMPV6_TYPES)[kind]
    parts = [Test(key(f"{protocol} type"), ((number, number),))]
    if code:
        parts.append(Test(key(f"{protocol} code"), ((int(code), int(code)),)))
    return AllOf(tuple(parts), option.negated)


def _conntrack(segment: Segment, found: list[Option], context: Context) -> list[Match]:
    states: list[Match] = []
    rest: list[Match] = []
    for option in found:
        if option.name in ("--ctstate", "--state"):
            states.append(_states(option))
        else:
            rest.append(_connection(option, context))
    if states and rest:
        # xt_conntrack: without a connection the state alone decides.
        without = Test(key("ct state"), _NO_CONNECTION)
        return [*states, AnyOf((without, AllOf(tuple(rest))))]
    return [*states, *rest]


def _states(option: Option) -> Match:
    words = option.values[0].split(",")
    plain = sum(names.CT_STATES[word.lower()] for word in words if word not in ("SNAT", "DNAT"))
    tests: list[Match] = []
    if plain:
        tests.append(Test(key("ct state", plain), ((0, 0),), True))
    if status := sum({"SNAT": _SNAT, "DNAT": _DNAT}.get(word, 0) for word in words):
        tests.append(Test(key("ct status", status), ((0, 0),), True))
    return AnyOf(tuple(tests), option.negated)


_CONNECTION_PORTS = {
    "--ctorigsrcport": "original proto-src",
    "--ctorigdstport": "original proto-dst",
    "--ctreplsrcport": "reply proto-src",
    "--ctrepldstport": "reply proto-dst",
}
_CONNECTION_ADDRESSES = {
    "--ctorigsrc": "original {} saddr",
    "--ctorigdst": "original {} daddr",
    "--ctreplsrc": "reply {} saddr",
    "--ctrepldst": "reply {} daddr",
}


def _connection(option: Option, context: Context) -> Match:
    value = option.values[0]
    if option.name in _CONNECTION_PORTS:
        name = f"ct {_CONNECTION_PORTS[option.name]}"
        return Test(key(name), (number_range(value),), option.negated)
    if option.name in _CONNECTION_ADDRESSES:
        name = "ct " + _CONNECTION_ADDRESSES[option.name].format(context.ip)
        return _connection_address(name, value, option.negated, context)
    if option.name == "--ctproto":
        number = int(value) if value.isdigit() else names.PROTOCOLS[value]
        return Test(key("ct protocol"), ((number, number),), option.negated)
    if option.name == "--ctdir":
        number = names.CT_DIRECTIONS[value.lower()]
        return Test(key("ct direction"), ((number, number),), option.negated)
    if option.name == "--ctstatus":
        words = [word.lower().replace("_", "-") for word in value.split(",")]
        mask = sum(0 if word == "none" else names.CT_STATUS[word] for word in words)
        return Test(key("ct status", mask), ((0, 0),), not option.negated)
    raise ValueError(option.name)


def _connection_address(name: str, value: str, negated: bool, context: Context) -> Match:
    plain = _address(f"{context.ip} saddr", value, negated)
    if not isinstance(plain, Test) or plain.key.mask is not None:
        raise ValueError(value)
    return Test(key(name), plain.fields, negated)


def _mark(segment: Segment, found: list[Option], _context: Context) -> list[Match]:
    name = "meta mark" if segment[0] == "mark" else "ct mark"
    matches: list[Match] = []
    for option in found:
        if option.name != "--mark":
            raise ValueError(option.name)
        value, mask = masked(option.values[0])
        matches.append(Test(key(name, mask), ((value, value),), option.negated))
    return matches


def _addrtype(segment: Segment, found: list[Option], context: Context) -> list[Match]:
    by_interface = any(option.name.startswith("--limit-iface") for option in found)
    matches: list[Match] = []
    for option in found:
        if option.name.startswith("--limit-iface"):
            continue
        side = {"--src-type": "saddr", "--dst-type": "daddr"}[option.name]
        kinds = [names.ROUTE_TYPES[word.lower()] for word in option.values[0].split(",")]
        if context.family == 6 and kinds == [names.ROUTE_TYPES["unicast"]]:
            matches.append(_address(f"ip6 {side}", "ff00::/8", not option.negated))
            continue
        if context.family == 6 and (len(kinds) > 1 or kinds[0] not in (2, 5)):
            raise ValueError(option.values[0])
        flag = " . iif" if by_interface else ""
        fields = tuple((kind, kind) for kind in kinds)
        matches.append(Test(key(f"fib {side}{flag} type"), fields, option.negated))
    return matches


def _set(segment: Segment, found: list[Option], context: Context) -> list[Match]:
    [option] = found
    if option.name != "--match-set":
        raise ValueError(option.name)
    name, directions = option.values[0], tuple(option.values[1].split(","))
    if name not in context.ipsets:
        return [Unsupported(f"{segment_text(segment)} (what is in the ipset was not read)")]
    return [_in_set(context.ipsets[name], directions, context, option.negated)]


def _in_set(ipset: IpSet, directions: tuple[str, ...], context: Context, negated: bool) -> Match:
    if ipset.kind == "list:set":
        found = tuple(
            _in_set(context.ipsets[member], directions, context, False) for member in ipset.members
        )
        return AnyOf(found, negated)
    keys = ipset.keys(directions, context.family)
    if keys is None:
        return AnyOf((), negated)
    return Lookup(keys, ipset.contents, negated)


def _iprange(option: Option, context: Context) -> Match:
    side = {"--src-range": "saddr", "--dst-range": "daddr"}[option.name]
    first, _, last = option.values[0].partition("-")
    found = (int(ip_address(first)), int(ip_address(last or first)))
    return Test(key(f"{context.ip} {side}"), (found,), option.negated)


def _pkttype(option: Option, _context: Context) -> Match:
    number = names.PACKET_TYPES[option.values[0].lower()]
    return Test(key("meta pkttype"), ((number, number),), option.negated)


def _rpfilter(segment: Segment, found: list[Option], _context: Context) -> list[Match]:
    words = {option.name for option in found}
    if not words <= {"--invert", "--validmark"}:
        raise ValueError(segment[0])
    return [Test(key("fib saddr oif"), ((0, 0),), "--invert" not in words)]


def _ah(segment: Segment, found: list[Option], context: Context) -> list[Match]:
    if found or context.family != 6:
        raise ValueError(segment[0])
    # ip6tables steps over this header when it looks for -p, so it has a match of its own.
    return [Test(key("meta l4proto"), ((names.PROTOCOLS["ah"],) * 2,))]


_READERS: dict[str, _Reader] = {
    "": _each(_plain),
    "tcp": _transport,
    "udp": _transport,
    "udplite": _transport,
    "sctp": _transport,
    "dccp": _transport,
    "multiport": _each(_multiport),
    "icmp": _each(_icmp),
    "icmp6": _each(_icmp),
    "conntrack": _conntrack,
    "state": _conntrack,
    "mark": _mark,
    "connmark": _mark,
    "addrtype": _addrtype,
    "ah": _ah,
    "set": _set,
    "iprange": _each(_iprange),
    "pkttype": _each(_pkttype),
    "rpfilter": _rpfilter,
}

"""`ipset save` -> sets that `iptables -m set` looks into. Pure. Source: ipset(8)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import pairwise

from rules.errors import ConfigError
from rules.parse.names import PROTOCOLS
from rules.record import record
from rules.ruleset import Element, Field, Key, PacketSet

_EVERY = (0, (1 << 32) - 1)


@record
class IpSet:
    """``kind`` as ``ipset`` names it (``hash:net,port``); ``family`` 4 or 6, 0 for neither.

    Its elements have one field for each part of the kind, two (protocol, port) for ``port``.
    ``members``: the names in a ``list:set``.
    """

    name: str
    kind: str
    family: int
    contents: PacketSet
    members: tuple[str, ...] = ()

    def keys(self, directions: tuple[str, ...], family: int) -> tuple[Key, ...] | None:
        """What ``src,dst`` make it read of a packet; None: it can never match.

        That is where fewer directions than parts are named, or the set is of the other family.
        """
        parts = _parts(self.kind)
        if len(directions) < len(parts) or self.family not in (0, family):
            return None
        keys: list[Key] = []
        for part, direction in zip(parts, directions, strict=False):
            keys += _keys(part, direction == "src", "ip" if family == 4 else "ip6")
        return tuple(keys)


def _keys(part: str, source: bool, family: str) -> list[Key]:
    if part in ("ip", "net"):
        return [Key(f"{family} {'saddr' if source else 'daddr'}")]
    if part == "port":
        return [Key("meta l4proto"), Key("th sport" if source else "th dport")]
    if part == "iface":
        return [Key("meta iifname" if source else "meta oifname")]
    return [Key("meta mark" if part == "mark" else f"ipset {part}")]


def parse_ipset_save(text: str, *, source: str = "ipset save") -> dict[str, IpSet]:
    """The sets by name. Raises ConfigError with the line of text that is not `ipset save`'s."""
    kinds: dict[str, tuple[str, int]] = {}
    masks: dict[str, int] = {}
    elements: dict[str, list[Element]] = {}
    members: dict[str, list[str]] = {}
    unknown: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "create" and len(words) >= 3:
            kinds[words[1]] = (words[2], _family(words))
            elements[words[1]], members[words[1]] = [], []
            try:
                masks[words[1]] = _mask_length(words, kinds[words[1]][1])
            except ValueError:
                unknown[words[1]] = f"ipset {words[1]}: its bitmask is not modelled"
        elif words[0] == "add" and len(words) >= 3 and words[1] in kinds:
            _add(words, kinds[words[1]][0], masks.get(words[1], 0), elements, members, unknown)
        else:
            raise ConfigError(source, "is no line of `ipset save`", line=number)
    return {
        name: IpSet(
            name=name,
            kind=kind,
            family=family,
            contents=PacketSet(name, tuple(elements[name]), unknown.get(name, "")),
            members=tuple(members[name]),
        )
        for name, (kind, family) in kinds.items()
    }


def _parts(kind: str) -> list[str]:
    return kind.partition(":")[2].split(",")


def _family(words: list[str]) -> int:
    if "family" in words[:-1]:
        return 6 if words[words.index("family") + 1] == "inet6" else 4
    return 4 if words[2].startswith(("hash:ip", "hash:net", "bitmap:ip")) else 0


def _mask_length(words: list[str], family: int) -> int:
    """The prefix length to which the set cuts the addresses of packets, 0 where it does not.

    Raises ValueError for a bitmask that is no prefix, or that this reader does not know.
    """
    options = dict(pairwise(words[3:]))
    if "netmask" in options:
        return int(options["netmask"])
    if "bitmask" not in options:
        return 0
    bits, width = int(ip_address(options["bitmask"])), 32 if family == 4 else 128
    rest = bits ^ ((1 << width) - 1)
    if rest & (rest + 1):
        raise ValueError(options["bitmask"])
    return width - rest.bit_length()


def _add(
    words: list[str],
    kind: str,
    mask_length: int,
    elements: dict[str, list[Element]],
    members: dict[str, list[str]],
    unknown: dict[str, str],
) -> None:
    name = words[1]
    if kind == "list:set":
        members[name].append(words[2])
        return
    try:
        fields: list[Field] = []
        parts, values = _parts(kind), words[2].split(",")
        if len(parts) != len(values):
            raise ValueError(words[2])
        for part, value in zip(parts, values, strict=True):
            if part == "ip" and mask_length:
                # The set keeps networks, and calls each by its first address.
                value = f"{value.partition('/')[0]}/{mask_length}"
            fields += _fields(part, value, wildcard="wildcard" in words)
    except (ValueError, KeyError):
        unknown[name] = f"ipset {name}: {words[2]} is not modelled"
        return
    excluded = "nomatch" in words
    if excluded and sum(part == "net" for part in parts) > 1:
        unknown[name] = f"ipset {name}: exceptions among pairs of networks are not modelled"
    elements[name].append(Element(tuple(fields), excluded=excluded))


def _fields(part: str, value: str, *, wildcard: bool) -> list[Field]:
    if part in ("ip", "net"):
        return [_addresses(value)]
    if part == "port":
        return _ports(value)
    if part == "mark":
        mark = int(value, 0)
        return [(mark, mark)]
    if part == "iface" and not value.startswith("physdev:"):
        return [f"{value}*" if wildcard else value]
    raise ValueError(value)


def _addresses(value: str) -> Field:
    if "-" in value:
        first, last = value.split("-")
        return int(ip_address(first)), int(ip_address(last))
    network = ip_network(value, strict=False)
    return int(network.network_address), int(network.broadcast_address)


def _ports(value: str) -> list[Field]:
    """``tcp:80``, ``udp:1-5``, ``80`` (tcp, or any protocol in a bitmap)."""
    protocol, colon, ports = value.rpartition(":")
    if protocol in ("icmp", "icmpv6", "ipv6-icmp"):
        # A type and code, which no key reads; "not all of the ports" keeps it open.
        return [(PROTOCOLS[protocol],) * 2, (0, 0xFFFE)]
    first, _, last = ports.partition("-")
    found = (int(first), int(last or first))
    if not colon:
        return [_EVERY, found]
    number = int(protocol) if protocol.isdigit() else PROTOCOLS[protocol]
    return [(number, number), found]

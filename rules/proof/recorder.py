"""The nft table that writes down which probes survive all rules, and lets none of them further.

It hangs behind every chain that may filter, so what reaches it is what the rules let through. A
probe ends here: no connection is ever confirmed, and the connection table stays empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from ipaddress import ip_address
from socket import getprotobyname
from typing import Any

from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.netns import COMMAND_TIMEOUT_S
from rules.proof.way import Kind, Layout, Way
from rules.record import record
from rules.run import run

TABLE = "nodeprep_proof"
# Behind security (50), srcnat (100) and helpers (300); before connections are confirmed (INT_MAX).
_LAST = 1000
# After connection tracking (-200) and DNAT, before everybody's filters.
_FIRST = -400
HOOKS = ("input", "forward")
_SET_SIZE = 4_000_000
LIST_TIMEOUT_S = 120.0


Recorded = dict[tuple[Way, IPAddress, Kind], set[int]]


@record
class Record:
    """What survived. ``keys``: by way, source and kind.

    ``counts``: how many, of the sources of which everything is expected. ``strays``: the (source,
    destination) of what was forwarded to addresses of no way. ``answered``: (hook, source,
    protocol) of answers to what the node or a pod asked, ``loopback``: the (address, protocol,
    port) that came through lo.
    """

    keys: Recorded
    counts: dict[tuple[Way, IPAddress, Kind], int]
    strays: frozenset[tuple[IPAddress, IPAddress]]
    answered: frozenset[tuple[str, IPAddress, int]]
    loopback: frozenset[tuple[IPAddress, int, int]]


def table(layouts: Iterable[Layout]) -> str:
    """The recorder, for ``nft -f``."""
    known = tuple(layouts)
    lines = [f"table inet {TABLE} {{"]
    for layout in known:
        for way in layout.ways:
            lines += _sets(way, layout.family)
            lines += _way_chain(way, layout.family)
        lines += _common_sets(layout.family)
    lines += _base_chains(known)
    lines.append("}")
    return "\n".join(lines) + "\n"


def translation(layouts: Iterable[Layout]) -> str:
    """The address translation of the translated ways, for ``nft -f``.

    Apart from the recorder, and loaded late: where any rule of NAT is, each new connection costs
    half as much again.
    """
    return "".join(f"{line}\n" for layout in layouts for line in _translation(layout))


def whole(entries: Iterable[tuple[Way, IPAddress, Kind]]) -> str:
    """For ``nft -f``: of these sources everything is expected, so their probes are counted."""
    lines = []
    for way, source, kind in entries:
        name = f"{way.word}{source.version}_whole"
        number = kind.number(source.version)
        lines.append(f"add element inet {TABLE} {name} {{ {source} . {number} }}")
    return "".join(f"{line}\n" for line in lines)


def forget(layouts: Iterable[Layout]) -> str:
    """For ``nft -f``, before a new ``table``: the recorder goes, and the translation if it is."""
    gone = [f"inet {TABLE}", *(f"{_words(each.family)[1]} {TABLE}_nat" for each in layouts)]
    return "".join(f"add table {name}\ndelete table {name}\n" for name in gone)


def _words(family: int) -> tuple[str, str, str]:
    """nft's words: the address' type, its protocol, the ICMP of the family."""
    return ("ipv4_addr", "ip", "icmp") if family == 4 else ("ipv6_addr", "ip6", "icmpv6")


def _set(name: str, type_: str, *, dynamic: bool = True) -> list[str]:
    lines = [f"set {name} {{", f"type {type_}"]
    if dynamic:
        lines += ["flags dynamic", f"size {_SET_SIZE}"]
    return [*lines, "}"]


def _sets(way: Way, family: int) -> list[str]:
    address, _, icmp = _words(family)
    name = f"{way.word}{family}"
    return [
        *_set(f"{name}_whole", f"{address} . inet_proto", dynamic=False),
        *_set(f"{name}_count", f"{address} . inet_proto"),
        *_set(f"{name}_port", f"{address} . inet_proto . inet_service"),
        *_set(f"{name}_icmp", f"{address} . {icmp}_type . {icmp}_code"),
        *_set(f"{name}_protocol", f"{address} . inet_proto"),
    ]


def _common_sets(family: int) -> list[str]:
    address = _words(family)[0]
    return [
        *_set(f"input{family}_answered", f"{address} . inet_proto"),
        *_set(f"forward{family}_answered", f"{address} . inet_proto"),
        *_set(f"loopback{family}", f"{address} . inet_proto . inet_service"),
        *_set(f"stray{family}", f"{address} . {address}"),
    ]


def _way_chain(way: Way, family: int) -> list[str]:
    """One rule for each kind of key, and the end."""
    _, ip, icmp = _words(family)
    name, source = f"{way.word}{family}", f"{ip} saddr . meta l4proto"
    # What the sender asked for, which translation replaces.
    port = "ct original proto-dst" if way.translated else "th dport"
    return [
        f"chain {name} {{",
        f"{source} @{name}_whole update @{name}_count {{ {source} counter }} drop",
        f"meta l4proto {{ tcp, udp, sctp }} add @{name}_port {{ {source} . {port} }} drop",
        f"meta l4proto {icmp} add @{name}_icmp {{ {ip} saddr . {icmp} type . {icmp} code }} drop",
        f"add @{name}_protocol {{ {source} }} drop",
        "}",
    ]


def _base_chains(layouts: tuple[Layout, ...]) -> list[str]:
    lines = []
    for hook in HOOKS:
        # One rule, for every probe pays for it.
        lines += [
            f"counter {hook} {{",
            "}",
            f"chain {hook}_arrived {{",
            f"type filter hook {hook} priority {_FIRST}; policy accept;",
            f"counter name {hook}",
        ]
        lines += ["}", f"chain {hook}_survived {{"]
        lines.append(f"type filter hook {hook} priority {_LAST}; policy drop;")
        for layout in layouts:
            lines += _survivors(layout, hook)
        lines.append("}")
    return lines


def _asking(layout: Layout) -> str:
    """What the pod itself opens."""
    ip = _words(layout.family)[1]
    return f"{ip} saddr {layout.pod} meta l4proto {{ tcp, udp }} th sport {layout.opened}"


def _survivors(layout: Layout, hook: str) -> list[str]:
    family = layout.family
    _, ip, _ = _words(family)
    lines = []
    if hook == "input":
        lines.append(
            f'iifname "lo" meta l4proto {{ tcp, udp }} add @loopback{family}'
            f" {{ {ip} daddr . meta l4proto . th dport }} drop"
        )
    else:
        # Only a connection that gets out is one that can be answered.
        lines.append(f"{_asking(layout)} ct direction original accept")
    answered = f"add @{hook}{family}_answered {{ {ip} saddr . meta l4proto }} drop"
    lines.append(f"meta nfproto ipv{family} ct state established,related {answered}")
    lines += [f"{match} jump {way.word}{family}" for way, match in _destinations(layout, hook)]
    if hook == "forward":
        lines.append(
            f"meta nfproto ipv{family} add @stray{family} {{ {ip} saddr . {ip} daddr }} drop"
        )
    return lines


def _destinations(layout: Layout, hook: str) -> list[tuple[Way, str]]:
    """How each way is told from the others; translated ones by what they were sent to, first."""
    _, ip, _ = _words(layout.family)
    ways = [(way, address) for way, address in layout.ways.items() if way.hook == hook]
    ways.sort(key=lambda item: not item[0].translated)
    return [
        (way, f"ct original {ip} daddr {address}" if way.translated else f"{ip} daddr {address}")
        for way, address in ways
    ]


def _translation(layout: Layout) -> list[str]:
    """As kube-proxy does it: in prerouting, at the priority of DNAT."""
    _, ip, _ = _words(layout.family)
    name = f"{TABLE}_nat"
    lines = [
        f"table {ip} {name} {{",
        "chain prerouting {",
        "type nat hook prerouting priority -100; policy accept;",
    ]
    for way, address in layout.ways.items():
        if way.translated:
            target = layout.node if way is Way.INPUT_DNAT else layout.pod
            written = f"[{target}]" if layout.family == 6 else f"{target}"
            lines.append(
                f"{ip} daddr {address} meta l4proto {{ tcp, udp, sctp }}"
                f" dnat to {written}:{layout.port}"
            )
    return [*lines, "}", "}"]


def load(text: str) -> None:
    """Gives a file to `nft -f`."""
    run(["nft", "-f", "-"], timeout_s=COMMAND_TIMEOUT_S, stdin=text)


def read(layouts: Iterable[Layout]) -> Record:
    """What has been recorded up to now."""
    done = run(["nft", "-j", "-nn", "list", "table", "inet", TABLE], timeout_s=LIST_TIMEOUT_S)
    return parse(done.stdout, layouts)


def arrived() -> dict[str, int]:
    """How many packets have reached each of ``HOOKS``, before any rule."""
    argv = ["nft", "-j", "list", "counters", "table", "inet", TABLE]
    items = _items(run(argv, timeout_s=COMMAND_TIMEOUT_S).stdout)
    counters = [item["counter"] for item in items if "counter" in item]
    return {counter["name"]: counter["packets"] for counter in counters}


def parse(text: str, layouts: Iterable[Layout]) -> Record:
    """What `nft -j list table` prints of the recorder."""
    items = _items(text)
    sets = {item["set"]["name"]: item["set"].get("elem", []) for item in items if "set" in item}
    addresses = _Addresses()
    keys: Recorded = {}
    counts: dict[tuple[Way, IPAddress, Kind], int] = {}
    strays: set[tuple[IPAddress, IPAddress]] = set()
    answered: set[tuple[str, IPAddress, int]] = set()
    loopback: set[tuple[IPAddress, int, int]] = set()
    for layout in layouts:
        family = layout.family
        for way in layout.ways:
            name = f"{way.word}{family}"
            for source, protocol, port in _rows(sets[f"{name}_port"]):
                where = (way, addresses[source], _kind(protocol, family))
                keys.setdefault(where, set()).add(int(port))
            for source, type_, code in _rows(sets[f"{name}_icmp"]):
                where = (way, addresses[source], Kind.ICMP)
                keys.setdefault(where, set()).add(int(type_) << 8 | int(code))
            for source, protocol in _rows(sets[f"{name}_protocol"]):
                where = (way, addresses[source], Kind.PROTOCOL)
                keys.setdefault(where, set()).add(_number(protocol))
            for element in sets[f"{name}_count"]:
                source, protocol = element["elem"]["val"]["concat"]
                where = (way, addresses[source], _kind(protocol, family))
                counts[where] = element["elem"]["counter"]["packets"]
        for hook in HOOKS:
            answered |= {
                (hook, addresses[source], _number(protocol))
                for source, protocol in _rows(sets[f"{hook}{family}_answered"])
            }
        strays |= {
            (addresses[source], addresses[destination])
            for source, destination in _rows(sets[f"stray{family}"])
        }
        loopback |= {
            (addresses[address], _number(protocol), int(port))
            for address, protocol, port in _rows(sets[f"loopback{family}"])
        }
    return Record(keys, counts, frozenset(strays), frozenset(answered), frozenset(loopback))


def _items(text: str) -> list[dict[str, Any]]:
    try:
        items: list[dict[str, Any]] = json.loads(text)["nftables"]
    except (ValueError, KeyError) as error:
        raise CommandError("failed", f"nft printed no JSON of the recorder: {error}") from error
    return items


class _Addresses(dict[str, IPAddress]):
    """Text -> address, each parsed once."""

    def __missing__(self, text: str) -> IPAddress:
        self[text] = ip_address(text)
        return self[text]


def _rows(elements: list[Any]) -> Iterable[list[Any]]:
    return (element["concat"] for element in elements)


def _number(protocol: Any) -> int:
    """Some versions of nft print the names of /etc/protocols, whatever -n says."""
    return getprotobyname(protocol) if isinstance(protocol, str) else int(protocol)


def _kind(protocol: Any, family: int) -> Kind:
    number = _number(protocol)
    return next((kind for kind in Kind if kind.number(family) == number), Kind.PROTOCOL)

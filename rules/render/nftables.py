"""Plan -> nftables: one own table ``inet nodeprep``, replaced in one transaction. Pure.

``accept`` ends only this table's own chain, so the table takes away and never opens what another
chain drops (https://wiki.nftables.org/wiki-nftables/index.php/Configuring_chains). It hangs before
the usual filter priority: what it drops costs nobody else anything. A set's name is made of its
content, so that the old rules keep the old sets until the moment in which the new rules hold.

A set of single addresses is a hash, in which looking up costs the same however many there are; one
with ranges (``flags interval``) is searched. A long list with both is two sets, and each rule that
uses it two rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from rules.access import Hook
from rules.flows import Protocol
from rules.record import record
from rules.render import Artefact
from rules.render.addresses import AddressList
from rules.render.plan import Plan, Row
from rules.render.templating import fill

TABLE = "nodeprep"
FILE = "nodeprep.nft"
# Searching a few ranges costs less than a second rule; in a longer list, ranges of so many
# addresses are written address by address.
_FEW_NETWORKS = 16
_SMALL_NETWORK = 8


@record
class AddressSet:
    """One set of the table."""

    name: str
    family: int
    interval: bool
    texts: tuple[str, ...]


def render(plan: Plan) -> Artefact:
    """The file for `nft -f`."""
    book = {addresses.content_name: tuple(_sets(addresses)) for addresses in plan.lists}
    text = fill(
        "firewall/nftables.nft.j2",
        plan=plan,
        table=TABLE,
        sets=[one for sets in book.values() for one in sets],
        input=_rules(plan, Hook.INPUT, book),
        forward=_rules(plan, Hook.FORWARD, book),
        pods=[
            match for _, pods in sorted(plan.pods.items()) for match in _sides("daddr", pods, book)
        ],
    )
    return Artefact("nftables", {FILE: text}, (f"nft -f {FILE}",), plan.digest)


# Content name of a list -> its sets.
_Book = dict[str, tuple[AddressSet, ...]]


def _sets(addresses: AddressList) -> Iterator[AddressSet]:
    """None for one network, which stands in its rule; else one set, or two."""
    if len(addresses) == 1:
        return
    name, family = addresses.content_name, addresses.family
    if len(addresses) <= _FEW_NETWORKS:
        yield AddressSet(
            name, family, any("/" in text for text in addresses.texts), addresses.texts
        )
        return
    hosts, ranges = _split(addresses)
    if hosts:
        yield AddressSet(f"{name}_h" if ranges else name, family, False, hosts)
    if ranges:
        yield AddressSet(name, family, True, ranges)


def _split(addresses: AddressList) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Single addresses, those of small ranges among them, and the other ranges."""
    hosts: list[str] = []
    ranges: list[str] = []
    for network, text in zip(addresses.networks, addresses.texts, strict=True):
        if "/" not in text:
            hosts.append(text)
        elif network.num_addresses <= _SMALL_NETWORK:
            hosts += map(str, network)
        else:
            ranges.append(text)
    return tuple(hosts), tuple(ranges)


def _rules(plan: Plan, hook: Hook, book: _Book) -> list[tuple[str, str]]:
    """(match, flow) of each rule."""
    return [(match, row.flow) for row in plan.hook_rows(hook) for match in _matches(row, book)]


def _sides(field: str, addresses: AddressList | None, book: _Book) -> list[str]:
    """The ways in which a rule may say that an address is in the list; none for any address."""
    if addresses is None:
        return []
    protocol = "ip" if addresses.family == 4 else "ip6"
    sets = book[addresses.content_name]
    values = [f"@{one.name}" for one in sets] or [addresses.texts[0]]
    return [f"{protocol} {field} {value}" for value in values]


def _matches(row: Row, book: _Book) -> Iterator[str]:
    sides = [_sides("saddr", row.sources, book), _sides("daddr", row.destinations, book)]
    for parts in product(*filter(None, sides)):
        words = [*parts] or [f"meta nfproto ipv{row.family}"]
        if row.protocol is not None:
            words.append(_protocol(row, row.protocol))
        yield " ".join(words)


def _protocol(row: Row, protocol: Protocol) -> str:
    if row.icmp_types:
        types = ", ".join(map(str, row.icmp_types))
        return f"{protocol.value} type {{ {types} }}"
    if row.ports is None:
        return f"meta l4proto {protocol.number}"
    first, last = row.ports
    ports = str(first) if first == last else f"{first}-{last}"
    if row.original_port:
        return f"meta l4proto {protocol.value} ct original proto-dst {ports}"
    return f"{protocol.value} dport {ports}"

"""Plan -> nftables: one own table ``inet nodeprep``, replaced in one transaction. Pure.

``accept`` ends only this table's own chain, so the table takes away and never opens what another
chain drops (https://wiki.nftables.org/wiki-nftables/index.php/Configuring_chains). It hangs before
the usual filter priority: what it drops costs nobody else anything.
"""

from __future__ import annotations

from rules.access import Hook
from rules.cluster import IPNetwork
from rules.flows import Protocol
from rules.record import record
from rules.render import Artefact
from rules.render.plan import Plan, Row
from rules.render.templating import fill

TABLE = "nodeprep"
FILE = "nodeprep.nft"


@record
class NamedSet:
    """A set of the table: ``ipv4_addr`` or ``ipv6_addr`` and its networks."""

    name: str
    type: str
    elements: tuple[str, ...]


def render(plan: Plan) -> Artefact:
    """The file for `nft -f`."""
    text = fill(
        "firewall/nftables.nft.j2",
        plan=plan,
        table=TABLE,
        sets=_sets(plan),
        input=[(_match(row, plan), row.flow) for row in plan.hook_rows(Hook.INPUT)],
        forward=[(_match(row, plan), row.flow) for row in plan.hook_rows(Hook.FORWARD)],
        pods=[
            _addresses("daddr", pods, family, plan) for family, pods in sorted(plan.pods.items())
        ],
    )
    return Artefact("nftables", {FILE: text}, (f"nft -f {FILE}",), plan.digest)


def _sets(plan: Plan) -> list[NamedSet]:
    """The lists of two and more networks, each once; one alone stands in its rule."""
    return [
        NamedSet(name, "ipv4_addr" if networks[0].version == 4 else "ipv6_addr", elements(networks))
        for networks, name in plan.set_names.items()
        if len(networks) > 1
    ]


def elements(networks: tuple[IPNetwork, ...]) -> tuple[str, ...]:
    """Networks as nft lists them: an address without its prefix length."""
    return tuple(
        str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)
        for net in networks
    )


def _addresses(field: str, networks: tuple[IPNetwork, ...], family: int, plan: Plan) -> str:
    protocol = "ip" if family == 4 else "ip6"
    if len(networks) > 1:
        return f"{protocol} {field} @{plan.set_names[networks]}"
    return f"{protocol} {field} {elements(networks)[0]}"


def _match(row: Row, plan: Plan) -> str:
    parts = [
        _addresses(field, networks, row.family, plan)
        for field, networks in (("saddr", row.sources), ("daddr", row.destinations))
        if networks
    ]
    if not parts:
        parts.append(f"meta nfproto ipv{row.family}")
    if row.protocol is not None:
        parts.append(_protocol(row, row.protocol))
    return " ".join(parts)


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

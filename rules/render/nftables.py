"""Plan -> nftables: one own table ``inet nodeprep``, replaced in one transaction. Pure.

``accept`` ends only this table's own chain, so the table takes away and never opens what another
chain drops (https://wiki.nftables.org/wiki-nftables/index.php/Configuring_chains). It hangs before
the usual filter priority: what it drops costs nobody else anything. A set's name is made of its
content, so that the old rules keep the old sets until the moment in which the new rules hold.
"""

from __future__ import annotations

from rules.access import Hook
from rules.flows import Protocol
from rules.render import Artefact
from rules.render.addresses import AddressList
from rules.render.plan import Plan, Row
from rules.render.templating import fill

TABLE = "nodeprep"
FILE = "nodeprep.nft"


def render(plan: Plan) -> Artefact:
    """The file for `nft -f`."""
    text = fill(
        "firewall/nftables.nft.j2",
        plan=plan,
        table=TABLE,
        # One network alone stands in its rule.
        sets=[addresses for addresses in plan.lists if len(addresses) > 1],
        input=[(_match(row), row.flow) for row in plan.hook_rows(Hook.INPUT)],
        forward=[(_match(row), row.flow) for row in plan.hook_rows(Hook.FORWARD)],
        pods=[_addresses("daddr", pods) for _, pods in sorted(plan.pods.items())],
    )
    return Artefact("nftables", {FILE: text}, (f"nft -f {FILE}",), plan.digest)


def _addresses(field: str, addresses: AddressList) -> str:
    protocol = "ip" if addresses.family == 4 else "ip6"
    if len(addresses) > 1:
        return f"{protocol} {field} @{addresses.content_name}"
    return f"{protocol} {field} {addresses.texts[0]}"


def _match(row: Row) -> str:
    parts = [
        _addresses(field, addresses)
        for field, addresses in (("saddr", row.sources), ("daddr", row.destinations))
        if addresses is not None
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

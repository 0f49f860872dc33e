"""Packets and rulesets for tests of traces."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from typing import Any

from rules.packet import TCP, Packet
from rules.parse.iptables import parse_iptables_save
from rules.ruleset import (
    Action,
    Chain,
    Rule,
    Ruleset,
    Table,
    Verdict,
)
from rules.tracing.trace import Trace, trace

LOCAL = (ip_interface("192.0.2.11/24"),)


def packet(**changes: Any) -> Packet:
    made: dict[str, Any] = {
        "family": 4,
        "protocol": TCP,
        "source": ip_address("203.0.113.5"),
        "destination": ip_address("192.0.2.11"),
        "source_port": 40000,
        "destination_port": 6443,
        "interface_in": "eth0",
    }
    return Packet(**{**made, **changes})


def save(*rules: str, table: str = "filter", policy: str = "ACCEPT", chains: str = "") -> str:
    names = {"filter": "INPUT FORWARD OUTPUT", "nat": "PREROUTING INPUT OUTPUT POSTROUTING"}
    built_in = names.get(table, "PREROUTING INPUT FORWARD OUTPUT POSTROUTING").split()
    lines = [f"*{table}"]
    for name in built_in:
        chosen = policy if table == "filter" and name != "OUTPUT" else "ACCEPT"
        lines.append(f":{name} {chosen} [0:0]")
    lines += [f":{name} - [0:0]" for name in chains.split()]
    return "\n".join([*lines, *(f"-A {rule}" for rule in rules), "COMMIT", ""])


def traced(*saves: str, backend: str = "iptables-nft", **changes: Any) -> Trace:
    options = {
        name: changes.pop(name) for name in ("hook", "reverse_path", "routes") if name in changes
    }
    ruleset = parse_iptables_save("".join(saves), backend, 4)
    return trace(ruleset, packet(**changes), local_addresses=LOCAL, **options)


def nft(*chains: Chain, family: str = "inet", name: str = "t") -> Ruleset:
    return Ruleset((Table("nft", family, name, {chain.name: chain for chain in chains}),))


def accept(*matches: Any, action: Action = Action.ACCEPT, text: str = "rule") -> Rule:
    return Rule((*matches, Verdict(action)), text, handle=7)

"""The security rules of an AzureCluster of Cluster API, which are Azure's own, renamed. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules.cloud.found import FoundGroup
from rules.parse.cloud import values
from rules.parse.cloud.azure import group

_FIELDS = {
    "priority": "priority", "direction": "direction", "protocol": "protocol",
    "source": "sourceAddressPrefix", "sources": "sourceAddressPrefixes",
    "destination": "destinationAddressPrefix", "destinationPorts": "destinationPortRange",
}  # fmt: skip


def capz(text: str, source: str) -> tuple[FoundGroup, ...]:
    """A group for each subnet that has rules, by the role of its machines."""
    top = values.mapping(values.yaml_document(text, source), source, "")
    spec = values.mapping(top.get("spec"), source, "spec")
    network = values.mapping(spec.get("networkSpec"), source, "networkSpec")
    found: list[FoundGroup] = []
    for item in values.sequence(network.get("subnets"), source, "subnets"):
        subnet = values.mapping(item, source, "subnets")
        role = str(subnet.get("role", ""))
        inner = values.mapping(subnet.get("securityGroup"), source, role)
        rules = [
            (str(rule.get("name", "")), _renamed(rule))
            for rule in (
                values.mapping(one, source, role)
                for one in values.sequence(inner.get("securityRules"), source, role)
            )
        ]
        found.append(group(role, rules, str, source, None))
    return tuple(found)


def _renamed(rule: dict[str, Any]) -> dict[str, Any]:
    said = {_FIELDS[key]: value for key, value in rule.items() if key in _FIELDS}
    return {"access": rule.get("action", "Allow"), **said}


FORMATS: dict[str, Callable[[str, str], tuple[FoundGroup, ...]]] = {"capz": capz}

"""The firewall rules of a GCPCluster of Cluster API: Google's own, in other letters. Pure."""

from __future__ import annotations

from collections.abc import Callable

from rules.cloud.found import FoundGroup
from rules.parse.cloud import values
from rules.parse.cloud.gcp import described


def capg(text: str, source: str) -> tuple[FoundGroup, ...]:
    """The groups of all target tags."""
    said = values.yaml_document(text, source)
    for key in ("spec", "network", "firewall"):
        said = values.mapping(said, source, key).get(key)
    listed = values.sequence(
        values.mapping(said, source, "firewall").get("firewallRules"), source, "firewallRules"
    )
    rules = [values.mapping(item, source, "firewallRules") for item in listed]
    return described(
        [{**rule, "direction": str(rule.get("direction", "Ingress")).upper()} for rule in rules],
        source,
    )


FORMATS: dict[str, Callable[[str, str], tuple[FoundGroup, ...]]] = {"capg": capg}

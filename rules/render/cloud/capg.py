"""Firewall rules of a GCPCluster of Cluster API, as YAML to merge into it. Pure.

``defaultRulesManagement: Unmanaged`` keeps the provider from its own rules, which let all machines
of the cluster send everything to all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules.cloud.document import CloudRules, describe_flows
from rules.cloud.peer import Kind
from rules.render.cloud.gcp import allowed
from rules.render.templating import fill, slug

_NAMES: dict[int | None, str] = {
    6: "TCP",
    17: "UDP",
    1: "ICMP",
    50: "ESP",
    51: "AH",
    4: "IPIP",
    132: "SCTP",
}
PRIORITY = 1000


def capg(rules: CloudRules) -> dict[str, str]:
    """The part of a GCPCluster that rules are in."""
    tags = {group.role: group.name for group in rules.groups}
    taken: set[str] = set()
    listed: list[dict[str, Any]] = []
    for group in rules.groups:
        for one in group.bundles:
            made: dict[str, Any] = {
                "name": slug(f"{group.name}-{one.flows[0] if one.flows else 'x'}", taken, most=58),
                "description": describe_flows(one.flows, 250),
                "direction": "Ingress",
                "priority": PRIORITY,
                "allowed": allowed(one, _NAMES),
                "targetTags": [group.name],
            }
            if one.references:
                made["sourceTags"] = [
                    tags[peer.name] if peer.kind is Kind.ROLE else peer.name for peer in one.peers
                ]
            else:
                made["sourceRanges"] = [str(peer.network) for peer in one.peers]
            listed.append(made)
    firewall = {"defaultRulesManagement": "Unmanaged", "firewallRules": listed}
    document = {
        "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta1",
        "kind": "GCPCluster",
        "metadata": {"name": rules.options.name},
        "spec": {"network": {"firewall": firewall}},
    }
    text = fill("cloud/document.yaml.j2", remarks=rules.remarks, document=document)
    return {"nodeprep-capg.yaml": text}


FORMATS: dict[str, Callable[[CloudRules], dict[str, str]]] = {"capg": capg}

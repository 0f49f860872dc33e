"""Security rules of the subnets of an AzureCluster of Cluster API, as YAML. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rules.cloud.azure import DESCRIPTION_LENGTH, FIRST_PRIORITY, LAST_PRIORITY
from rules.cloud.document import CloudGroup, CloudRules, describe_flows
from rules.cloud.rule import Place
from rules.render.templating import fill, slug

_NAMES = {6: "Tcp", 17: "Udp", 1: "Icmp", None: "*"}


def capz(rules: CloudRules) -> dict[str, str]:
    """The part of an AzureCluster that rules are in: a subnet for each kind of machine."""
    subnets = [
        {
            "name": f"{rules.options.name}-{group.name}",
            "role": group.name,
            "securityGroup": {
                "name": f"{rules.options.name}-{group.name}",
                "securityRules": list(_rules(group, rules)),
            },
        }
        for group in rules.groups
    ]
    document = {
        "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta1",
        "kind": "AzureCluster",
        "metadata": {"name": rules.options.name},
        "spec": {"networkSpec": {"subnets": subnets}},
    }
    text = fill("cloud/document.yaml.j2", remarks=rules.remarks, document=document)
    return {"nodeprep-capz.yaml": text}


def _rules(group: CloudGroup, rules: CloudRules) -> Iterator[dict[str, Any]]:
    pods = rules.plan.cluster.pod_subnets
    listed = [
        (one, destination)
        for one in group.bundles
        for destination in (
            [str(net) for net in pods if net.version == one.family]
            if one.place is Place.PODS
            else ["*"]
        )
    ]
    step = max(1, min(10, (LAST_PRIORITY - FIRST_PRIORITY) // (len(listed) + 1)))
    taken: set[str] = set()
    for number, (one, destination) in enumerate(listed):
        protocol = one.protocols[0]
        yield {
            "name": slug(one.flows[0] if one.flows else "rule", taken, most=70),
            "description": describe_flows(one.flows, DESCRIPTION_LENGTH),
            "direction": "Inbound",
            "priority": FIRST_PRIORITY + step * number,
            "protocol": _NAMES[protocol],
            "sourcePorts": "*",
            "destination": destination,
            "destinationPorts": "".join(one.ports(protocol)) or "*",
            **(
                {"source": str(one.peers[0])}
                if len(one.peers) == 1
                else {"sources": [str(peer) for peer in one.peers]}
            ),
            "action": "Allow",
        }
    yield {
        "name": "deny-everything-else",
        "description": "Before the rule of Azure that lets in the whole virtual network",
        "direction": "Inbound",
        "priority": LAST_PRIORITY,
        "protocol": "*",
        "sourcePorts": "*",
        "destination": "*",
        "destinationPorts": "*",
        "source": "*",
        "action": "Deny",
    }


FORMATS: dict[str, Callable[[CloudRules], dict[str, str]]] = {"capz": capz}

"""What lies between this node's pods and those of the cluster's other nodes."""

from __future__ import annotations

import json
import os

from preflight.cni.proof import Cause
from preflight.cni.spec import NetworkConfig
from preflight.settings import Settings
from rules.errors import CommandError
from rules.run import run

_TIMEOUT_S = 10.0
_ROUTED = frozenset({"bridge", "ptp"})


def between_nodes(settings: Settings, network: NetworkConfig) -> list[Cause]:
    """Missing routes, and masquerading that hides pods from each other. By the cluster file."""
    if network.chain[0] not in _ROUTED:
        return []
    name = settings.node_name or os.uname().nodename
    others = [node for node in settings.cluster.nodes if node.name != name and node.pod_subnets]
    found = []
    for node in others:
        for subnet in node.pod_subnets:
            if not _routed(str(subnet)):
                hop = next(
                    (str(item) for item in node.addresses if item.version == subnet.version), "?"
                )
                found.append(
                    Cause(
                        "node-route-missing",
                        f"no route leads to {subnet}, the pods of {node.name}",
                        f"ip route add {subnet} via {hop}, and for good: nodeprep cni install",
                    )
                )
    if others and network.plugins[0].get("ipMasq") is True:
        found.append(
            Cause(
                "masquerade-between-nodes",
                "ipMasq gives packets to pods of other nodes this node's address: NetworkPolicies "
                "and logs see the node in place of the pod (kubernetes/kubernetes#27132)",
                "nodeprep cni install, which masquerades only what leaves the cluster",
            )
        )
    return found


def _routed(subnet: str) -> bool:
    """Whether a route other than a default one covers the range. Unreadable: nobody can tell."""
    flag = "-6" if ":" in subnet else "-4"
    try:
        text = run(
            ["ip", flag, "-j", "route", "show", "match", subnet], timeout_s=_TIMEOUT_S
        ).stdout
        return any(item.get("dst") != "default" for item in json.loads(text or "[]"))
    except (CommandError, ValueError):
        return True

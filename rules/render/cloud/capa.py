"""Ingress rules of an AWSCluster of Cluster API, as YAML to merge into it. Pure.

What both groups take from both goes to ``cniIngressRules``, which the provider writes for all four
pairs. It would open NodePorts to the world where ``nodePortIngressRuleCidrBlocks`` is empty: that
names an address from which nobody comes, and the NodePorts of the plan are among the other rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules.cloud.aws import DESCRIPTION_LENGTH
from rules.cloud.bundle import Bundle, bundle
from rules.cloud.capa import NAMES
from rules.cloud.document import CloudRules, describe_flows
from rules.cloud.peer import Kind
from rules.cloud.rule import Rule
from rules.render.templating import fill

NOBODY = "127.0.0.1/32"
_NAMES = {6: "tcp", 17: "udp", 1: "icmp", None: "-1"}


def capa(rules: CloudRules) -> dict[str, str]:
    """The part of an AWSCluster that rules are in."""
    control_plane, nodes = rules.groups
    words = {group.role: name for group, name in zip(rules.groups, NAMES, strict=True)}
    shared = _shared(rules)
    cni = [rule for rule in nodes.rules if _key(rule) in shared and rule.peer.name == nodes.role]
    # The control plane's machines carry the nodes' group too.
    for_nodes = {(_key(rule), rule.peer) for rule in nodes.rules}
    network = {
        "cni": {"cniIngressRules": [_service(rule) for rule in cni]},
        "nodePortIngressRuleCidrBlocks": [NOBODY],
        "additionalControlPlaneIngressRules": _additional(
            [rule for rule in control_plane.rules if (_key(rule), rule.peer) not in for_nodes],
            shared,
            words,
        ),
        "additionalNodeIngressRules": _additional(list(nodes.rules), shared, words),
    }
    document = {
        "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2",
        "kind": "AWSCluster",
        "metadata": {"name": rules.options.name},
        "spec": {"network": network},
    }
    text = fill("cloud/document.yaml.j2", remarks=rules.remarks, document=document)
    return {"nodeprep-capa.yaml": text}


def _key(rule: Rule) -> tuple[object, ...]:
    return (rule.protocol, rule.ports)


def _shared(rules: CloudRules) -> set[tuple[object, ...]]:
    """What members of both groups may send to both."""
    pairs: dict[tuple[object, ...], set[tuple[str, str]]] = {}
    for rule in rules.rules:
        if rule.peer.kind is Kind.ROLE:
            pairs.setdefault(_key(rule), set()).add((rule.receiver, rule.peer.name))
    return {key for key, found in pairs.items() if len(found) == 4}


def _additional(
    rules: list[Rule], shared: set[tuple[object, ...]], words: dict[str, str]
) -> list[dict[str, Any]]:
    own = [rule for rule in rules if rule.peer.kind is not Kind.ROLE or _key(rule) not in shared]
    return [
        {**_service(next(one.rules()), one.flows), **_peers(one, words)}
        for one in bundle(own, _key)
    ]


def _service(rule: Rule, flows: tuple[str, ...] | None = None) -> dict[str, Any]:
    if rule.protocol in (1, 58):
        first, last = (-1, -1) if rule.ports is None else (rule.ports[0], -1)
    elif rule.protocol in (6, 17):
        first, last = rule.interval
    else:
        first, last = -1, -1
    return {
        "description": describe_flows(flows or rule.flows, DESCRIPTION_LENGTH),
        "protocol": _NAMES.get(rule.protocol, str(rule.protocol)),
        "fromPort": first,
        "toPort": last,
    }


def _peers(one: Bundle, words: dict[str, str]) -> dict[str, Any]:
    if not one.references:
        field = "cidrBlocks" if one.family == 4 else "ipv6CidrBlocks"
        return {field: [str(peer.network) for peer in one.peers]}
    if one.peers[0].kind is Kind.ROLE:
        return {"sourceSecurityGroupRoles": [words[peer.name] for peer in one.peers]}
    return {"sourceSecurityGroupIds": [peer.name for peer in one.peers]}


FORMATS: dict[str, Callable[[CloudRules], dict[str, str]]] = {"capa": capa}

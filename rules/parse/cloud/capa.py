"""The rules of an AWSCluster of Cluster API. Pure.

Only what the resource says: the provider makes rules of its own beside these. Machines of the
control plane carry the nodes' group too, so they may receive and send what nodes may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

from rules.cloud.capa import NAMES
from rules.cloud.found import FoundGroup
from rules.cloud.peer import Peer, named_peer, network_peer
from rules.cloud.rule import Place, Rule
from rules.parse.cloud import values
from rules.parse.cloud.aws import port_range

# What the provider opens to nodePortIngressRuleCidrBlocks, whatever range the cluster has.
NODE_PORTS = (30000, 32767)


def capa(text: str, source: str) -> tuple[FoundGroup, ...]:
    """The two groups of an AWSCluster."""
    top = values.mapping(values.yaml_document(text, source), source, "")
    network = values.mapping(
        values.mapping(top.get("spec"), source, "spec").get("network"), source, "spec.network"
    )
    found: dict[str, list[Rule]] = {name: [] for name in NAMES}
    cni = values.mapping(network.get("cni"), source, "cni")
    for where, said in _items(cni, "cniIngressRules", source):
        peers = [named_peer(name) for name in NAMES]
        for name in NAMES:
            found[name] += _rules(said, name, peers, source, where)
    for name, field in zip(
        NAMES, ("additionalControlPlaneIngressRules", "additionalNodeIngressRules"), strict=True
    ):
        for where, said in _items(network, field, source):
            found[name] += _rules(said, name, list(_peers(said, source, where)), source, where)
    where = "nodePortIngressRuleCidrBlocks"
    for word in values.sequence(network.get(where), source, where) or ["0.0.0.0/0"]:
        block = values.network(word, source, where)
        if not block.is_loopback:  # from there nobody comes
            peer = network_peer(block)
            found[NAMES[1]].append(
                Rule(NAMES[1], Place.NODE, (peer.family,), peer, 6, NODE_PORTS, where=where)
            )
    control_plane, nodes = NAMES
    found[control_plane] += [rule.but(receiver=control_plane) for rule in found[nodes]]
    return tuple(FoundGroup(name, ingress=tuple(rules)) for name, rules in found.items())


def _items(said: dict[str, Any], field: str, source: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, item in enumerate(values.sequence(said.get(field), source, field)):
        where = f"{field}[{number}]"
        yield where, values.mapping(item, source, where)


def _peers(said: dict[str, Any], source: str, where: str) -> Iterator[Peer]:
    for field in ("cidrBlocks", "ipv6CidrBlocks"):
        for word in values.sequence(said.get(field), source, where):
            yield network_peer(values.network(word, source, where))
    for field in ("sourceSecurityGroupRoles", "sourceSecurityGroupIds"):
        for word in values.sequence(said.get(field), source, where):
            yield named_peer(str(word))
            if word == NAMES[1]:
                yield named_peer(NAMES[0])


def _rules(
    said: dict[str, Any], receiver: str, peers: list[Peer], source: str, where: str
) -> Iterator[Rule]:
    number = values.protocol(said.get("protocol"), source, where)
    ports = port_range(number, said.get("fromPort"), said.get("toPort"), source, where)
    for peer in peers or [network_peer(ip_network("0.0.0.0/0"))]:
        families = (peer.family,) if peer.family else (4, 6)
        yield Rule(receiver, Place.NODE, families, peer, number, ports, where=where)


FORMATS: dict[str, Callable[[str, str], tuple[FoundGroup, ...]]] = {"capa": capa}

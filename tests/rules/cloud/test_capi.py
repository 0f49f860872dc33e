"""Cluster API's providers: two groups, the words of their types, and what they make themselves."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from rules.cloud.document import CloudOptions
from rules.cluster import Cluster, CniChoice, Node, Role
from rules.errors import UsageError
from rules.parse.cloud import parse
from rules.render.cloud import cloud_rules, render
from tests.rules.cloud.plans import plan_for, plan_of, widest
from tests.rules.render.clusters import cluster

TUNNEL = CniChoice("flannel", "vxlan")
# What the types of each provider know, from its API.
CAPA_RULE = {
    "description", "protocol", "fromPort", "toPort", "cidrBlocks", "ipv6CidrBlocks",
    "sourceSecurityGroupIds", "sourceSecurityGroupRoles",
}  # fmt: skip
CAPG_RULE = {
    "name", "description", "direction", "priority", "allowed", "sourceRanges", "sourceTags",
    "targetTags",
}  # fmt: skip
CAPZ_RULE = {
    "name", "description", "protocol", "direction", "priority", "sourcePorts", "destinationPorts",
    "source", "sources", "destination", "action",
}  # fmt: skip


def document(cloud: str, choice: CniChoice = TUNNEL, families: tuple[int, ...] = (4, 6)) -> Any:
    made = widest(plan_for(cloud, cluster(cni=choice, families=families)), cloud)
    (text,) = render("", made).files.values()
    return yaml.safe_load(text)["spec"]


def test_capa_has_the_words_of_its_types() -> None:
    for choice in (TUNNEL, CniChoice("calico", "ipip"), CniChoice("antrea", "gre")):
        network = document("capa", choice)["network"]
        assert network["nodePortIngressRuleCidrBlocks"] == ["127.0.0.1/32"]
        cni = network["cni"]["cniIngressRules"]
        assert all(set(one) == {"description", "protocol", "fromPort", "toPort"} for one in cni)
        listed = [
            *network["additionalControlPlaneIngressRules"],
            *network["additionalNodeIngressRules"],
        ]
        for one in listed:
            assert set(one) <= CAPA_RULE
            kinds = {key[:6] for key in one if "ource" in key or "lock" in key.lower()}
            assert len(kinds) == 1  # addresses or groups, never both
            assert one["protocol"] in {"-1", "4", "tcp", "udp", "icmp", "58", "50"}
            roles = one.get("sourceSecurityGroupRoles", [])
            assert set(roles) <= {"controlplane", "node"}


def test_capa_puts_the_tunnel_among_the_rules_of_the_pod_network() -> None:
    network = document("capa")["network"]
    described = [one["description"] for one in network["cni"]["cniIngressRules"]]
    assert "flannel-vxlan" in described
    etcd = [
        one for one in network["additionalControlPlaneIngressRules"] if "etcd" in one["description"]
    ]
    assert [one["sourceSecurityGroupRoles"] for one in etcd] == [["controlplane"]]


def test_capa_opens_node_ports_to_everybody_where_nobody_is_named() -> None:
    control_plane, node = parse("capa", "capa", "spec: {network: {}}")
    assert [rule.label for rule in node.ingress] == ["30000-32767/tcp from 0.0.0.0/0 to node"]
    assert [rule.label for rule in control_plane.ingress] == [
        "30000-32767/tcp from 0.0.0.0/0 to controlplane"
    ]


def test_capa_says_that_masters_get_what_nodes_get() -> None:
    plan = plan_for("capa", cluster(cni=TUNNEL))
    with pytest.raises(UsageError, match=r"node-ports-tcp .*becomes to worker and multi-master"):
        cloud_rules("capa", plan)


def test_capg_has_the_words_of_its_types() -> None:
    firewall = document("capg")["network"]["firewall"]
    assert firewall["defaultRulesManagement"] == "Unmanaged"
    assert 2 < len(firewall["firewallRules"]) <= 50
    for one in firewall["firewallRules"]:
        assert set(one) <= CAPG_RULE
        assert one.get("sourceRanges") or one.get("sourceTags")
        assert {item["IPProtocol"] for item in one["allowed"]} <= {
            "TCP", "UDP", "ICMP", "ESP", "AH", "IPIP", "SCTP",
        }  # fmt: skip


def test_capz_has_the_words_of_its_types() -> None:
    for subnet in document("capz", CniChoice("flannel", "host-gw"))["networkSpec"]["subnets"]:
        assert subnet["role"] in ("control-plane", "node")
        rules = subnet["securityGroup"]["securityRules"]
        assert all(set(one) <= CAPZ_RULE for one in rules)
        assert all(one["protocol"] in ("Tcp", "Udp", "Icmp", "*") for one in rules)
        assert len({one["priority"] for one in rules}) == len(rules)
        assert rules[-1]["action"] == "Deny"


@pytest.mark.parametrize("cloud", ["capa", "capg", "capz"])
def test_what_cluster_api_does_not_have_is_refused(cloud: str) -> None:
    bare = cluster(cni=TUNNEL)
    plan = plan_for(cloud, bare)
    for options, message in (
        (CloudOptions(name="Prod"), "no name of a cluster"),
        (CloudOptions(network="vpc-1"), "leave out --network"),
        (CloudOptions(tags=(("a", "b"),)), "leave out --tag"),
        (CloudOptions(quotas=(("rules", 3),)), "3"),
    ):
        with pytest.raises(UsageError, match=message):
            widest(plan, cloud, options)
    external = plan_of(cluster(cni=TUNNEL, external_etcd=True))
    if cloud == "capa":
        with pytest.raises(UsageError, match="no machines for an external etcd"):
            widest(external, cloud)
        single = Node("m", Role.MASTER, bare.nodes[0].addresses)
        both = Cluster(**{**vars(bare), "nodes": (*bare.nodes, single)})
        with pytest.raises(UsageError, match="one kind of control plane"):
            widest(plan_of(both), cloud)

"""Each linter rule: a document that it is about, the finding it makes, and clean ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.cloudlint.model import Found
from rules.cloudlint.read import read
from rules.cloudlint.registry import judge, rules
from rules.parse.cloud.detect import detect

NET = {"CidrIp": "192.0.2.0/24"}


def found(document: Any, quotas: dict[str, int] | None = None) -> list[Found]:
    text = document if isinstance(document, str) else json.dumps(document)
    return [one for part in detect(text, "file") for one in judge(read(part, quotas))]


def ec2(permission: dict[str, Any] | None = None, **group: Any) -> Any:
    made = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [NET]}
    permissions = [made if permission is None else {**made, **permission}]
    return {"SecurityGroups": [{"GroupName": "web", "IpPermissions": permissions, **group}]}


def gcp(allowed: dict[str, Any] | None = None, **rule: Any) -> Any:
    made = {"IPProtocol": "tcp", "ports": ["80"], **(allowed or {})}
    whole = {"name": "web", "sourceRanges": ["192.0.2.0/24"], "allowed": [made], **rule}
    return [{key: value for key, value in whole.items() if value is not None}]


DENY = {"name": "rest", "priority": 4096, "direction": "Inbound", "access": "Deny",
        "protocol": "*", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*",
        "destinationPortRange": "*"}  # fmt: skip


def azure(*more: dict[str, Any], deny: bool = True, **rule: Any) -> Any:
    made = {"name": "web", "priority": 100, "direction": "Inbound", "access": "Allow",
            "protocol": "Tcp", "sourceAddressPrefix": "192.0.2.0/24",
            "destinationAddressPrefix": "*", "destinationPortRange": "80", **rule}  # fmt: skip
    return [{"name": "nsg", "securityRules": [made, *more, *([DENY] if deny else [])]}]


def neutron(*more: dict[str, Any], name: str = "web", **rule: Any) -> Any:
    made = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 80,
            "port_range_max": 80, "remote_ip_prefix": "192.0.2.0/24", **rule}  # fmt: skip
    return {"security_groups": [{"name": name, "security_group_rules": [made, *more]}]}


def anyone(ports: tuple[int, int]) -> dict[str, Any]:
    return {"FromPort": ports[0], "ToPort": ports[1], "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


FORM = """
resource "aws_security_group" "web" {
  name   = "web"
  vpc_id = var.vpc_id
}
resource "aws_ec2_managed_prefix_list" "many" {
  name           = "many"
  address_family = "IPv4"
  max_entries    = 61
}
resource "aws_vpc_security_group_ingress_rule" "many" {
  security_group_id = aws_security_group.web.id
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
  prefix_list_id    = aws_ec2_managed_prefix_list.many.id
}
"""
NETWORKS = [{"CidrIp": f"192.0.2.{number}/32"} for number in range(61)]
# id -> documents in which it finds something, each with words of the finding.
SEEDED: dict[str, list[tuple[Any, str]]] = {
    "aws-description": [
        (ec2(Description="<web>"), "EC2 takes no < >"),
        (ec2({"IpRanges": [{**NET, "Description": "caf\u00e9"}]}), "EC2 takes no \u00e9"),
        (ec2({"IpRanges": [{**NET, "Description": "it's"}]}), "EC2 takes no '"),
        (ec2({"IpRanges": [{**NET, "Description": "x" * 256}]}), "256 characters of 255"),
        (
            ec2({"UserIdGroupPairs": [{"GroupId": "sg-1", "Description": "a & b"}]}),
            "EC2 takes no &",
        ),
    ],
    "aws-duplicate": [(ec2({"IpRanges": [NET, NET]}), "192.0.2.0/24 has the same in")],
    "aws-family": [(ec2({"IpRanges": [{"CidrIp": "2001:db8::/32"}]}), "IPv4 is expected")],
    "aws-group-name": [
        (ec2(GroupName="sg-web"), "begins with sg-"),
        (ec2(GroupName="w\u00e9b"), "is too long or has characters"),
        ({"SecurityGroups": [{"GroupName": "web"}, {"GroupName": "WEB"}]}, "the same name"),
    ],
    "aws-no-sender": [
        (
            {"Resources": {"Web": {
                "Type": "AWS::EC2::SecurityGroupIngress",
                "Properties": {"GroupId": "sg-1", "IpProtocol": "tcp", "FromPort": 1, "ToPort": 2},
            }}},
            "no network, group or prefix list",
        ),
    ],
    "aws-ports-ignored": [
        (ec2({"IpProtocol": "-1", "FromPort": 80, "ToPort": 80}), "is let in whole, not 80-80"),
        (ec2({"IpProtocol": "4", "FromPort": 7, "ToPort": 9}), "protocol 4 is let in whole"),
    ],
    "aws-rule-quota": [
        (ec2({"IpRanges": NETWORKS}), "61 inbound IPv4 rules, and a group has 60"),
        (FORM, "61 inbound IPv4 rules"),
    ],
    "azure-description": [(azure(description="x" * 141), "141 characters of 140")],
    "azure-mixed-families": [
        (azure(sourceAddressPrefix=None, sourceAddressPrefixes=["192.0.2.0/24", "2001:db8::/32"]),
         "of IPv4 and of IPv6"),
    ],
    "azure-mixed-sources": [
        (azure(sourceApplicationSecurityGroups=[{"id": "/x"}]), "groups and prefixes"),
    ],
    "azure-name": [
        (azure(name="-web"), "'-web' is no name of Azure's"),
        (azure({**DENY, "name": "WEB", "priority": 200}), "two rules of the group are called WEB"),
    ],
    "azure-priority": [(azure(priority=99), "99 is not 100-4096")],
    "azure-priority-twice": [
        (azure({**DENY, "name": "x", "priority": 100}), "nsg: web has priority 100 too"),
    ],
    "azure-rule-quota": [
        (
            azure(*({**DENY, "name": f"r{number}", "priority": 101 + number}
                    for number in range(999))),
            "1001 rules, and a group has 1000",
        ),
    ],
    "azure-rule-size": [
        (
            azure(sourceAddressPrefix=None, sourceApplicationSecurityGroups=[
                {"id": f"/{number}"} for number in range(11)]),
            "11 application security groups, and a rule has 10",
        ),
    ],
    "azure-vnet-inbound": [(azure(deny=False), "AllowVnetInBound lets in")],
    "gcp-empty-source": [(gcp(sourceRanges=None), "it is from 0.0.0.0/0")],
    "gcp-mixed-families": [
        (gcp(sourceRanges=["192.0.2.0/24", "2001:db8::/32"]), "of IPv4 and of IPv6"),
    ],
    "gcp-name": [
        (gcp(name="Web"), "'Web' is no name of RFC 1035"),
        (gcp() + gcp(), "two rules are called web"),
        (gcp(targetTags=["a_b"]), "'a_b' is no name"),
    ],
    "gcp-ports": [(gcp({"IPProtocol": "icmp"}), "icmp has no ports")],
    "gcp-priority": [(gcp(priority=65536), "65536 is not 0-65535")],
    "gcp-rule-quota": [
        ([one for n in range(501) for one in gcp(name=f"w{n}")], "501 firewall rules"),
    ],
    "gcp-rule-size": [
        (gcp(sourceTags=[f"t{number}" for number in range(31)]), "31 source tags, and a rule has"),
    ],
    "gcp-tag-and-account": [
        (gcp(sourceTags=["a"], targetServiceAccounts=["b@example.net"]), "tags and service"),
    ],
    "host-bits": [(gcp(sourceRanges=["192.0.2.1/24"]), "192.0.2.1/24 is 192.0.2.0/24 with")],
    "network": [
        (ec2({"IpRanges": [{"CidrIp": "192.0.2.0/33"}]}), "'192.0.2.0/33' is no network"),
        (azure(sourceAddressPrefix="192.0.2.300"), "'192.0.2.300' is no network"),
    ],
    "openstack-family": [
        (neutron(ethertype="IPv6"), "192.0.2.0/24 in a rule of IPv6"),
        (neutron(ethertype="ARP"), "no ether type is called 'ARP'"),
    ],
    "openstack-ports": [(neutron(protocol=None), "every protocol has no ports")],
    "openstack-quota": [
        (neutron(*neutron()["security_groups"][0]["security_group_rules"] * 100),
         "101 security rules, and a project has 100"),
    ],
    "openstack-text": [(neutron(name="x" * 256), "256 characters, and 255")],
    "port-range": [
        (ec2({"FromPort": 90}), "90-80 is no range of ports"),
        (ec2({"ToPort": 70000}), "80-70000 is no range"),
        (ec2({"IpProtocol": "icmp", "FromPort": 300, "ToPort": -1}), "ICMP has no type 300"),
        (gcp({"ports": ["http"]}), "'http'-'http' is no range"),
        (azure(destinationPortRange="9-1"), "9-1 is no range"),
        (neutron(port_range_max=65536), "80-65536 is no range"),
    ],
    "protocol-name": [
        (ec2({"IpProtocol": "TCPIP"}), "no protocol is called 'TCPIP'"),
        (gcp({"IPProtocol": "gre", "ports": []}), "no protocol is called 'gre'"),
        (azure(protocol="Gre"), "no protocol is called 'Gre'"),
        (neutron(protocol="gree"), "no protocol is called 'gree'"),
    ],
    "world-open-api": [(ec2(anyone((6443, 6443))), "6443 from 0.0.0.0/0")],
    "world-open-control-plane": [
        (ec2(anyone((2379, 2379))), "2379 (etcd) from 0.0.0.0/0"),
        (gcp({"ports": ["10250"]}, sourceRanges=["0.0.0.0/0"]), "10250 (the kubelet)"),
        (azure(sourceAddressPrefix="Internet", destinationPortRange="10259"), "from Internet"),
        (neutron(port_range_min=10257, port_range_max=10257, remote_ip_prefix=None),
         "10257 (the controller manager) from anywhere, as no sender is named"),
    ],
    "world-open-ssh": [(ec2(anyone((22, 22))), "22 from 0.0.0.0/0")],
}  # fmt: skip
CASES = [(name, *case) for name, cases in SEEDED.items() for case in cases]


def test_every_rule_is_seeded() -> None:
    assert set(SEEDED) == set(rules())


@pytest.mark.parametrize("clean", [ec2(), gcp(), azure(), neutron()])
def test_what_is_right_is_let_be(clean: Any) -> None:
    assert found(clean) == []


@pytest.mark.parametrize(("name", "document", "words"), CASES)
def test_what_is_wrong_is_found_alone(name: str, document: Any, words: str) -> None:
    made = found(document)
    assert {one.rule.id for one in made} == {name}
    assert words in made[0].message
    assert made[0].rule.source


def test_the_quotas_of_an_account() -> None:
    assert found(ec2({"IpRanges": NETWORKS}), {"rules": 61}) == []


def test_all_protocols_reach_everything() -> None:
    everything = {"IpProtocol": "-1", "IpRanges": [], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    made = found(ec2({**everything, "FromPort": None, "ToPort": None}))
    assert {one.rule.id for one in made} == {
        "world-open-api", "world-open-control-plane", "world-open-ssh",
    }  # fmt: skip
    out = ec2()
    out["SecurityGroups"][0]["IpPermissionsEgress"] = [{"IpProtocol": "-1", "IpRanges": [
        {"CidrIp": "0.0.0.0/0"}]}]  # fmt: skip
    assert found(out) == []


def test_expressions_are_passed_over() -> None:
    text = """
resource "aws_security_group_rule" "a" {
  security_group_id = var.group
  type              = "ingress"
  protocol          = var.protocol
  from_port         = var.first
  to_port           = var.last
  cidr_blocks       = var.networks
  description       = "for ${var.name} <here>"
}
resource "google_compute_firewall" "b" {
  name          = "${var.prefix}-web"
  network       = var.network
  source_ranges = [var.admins, "2001:db8::/32"]
  allow {
    protocol = "tcp"
    ports    = [var.port]
  }
}
"""
    assert found(text) == []


OTHERS = """
resource "azurerm_network_security_group" "web" {
  name = "web"
  security_rule {
    name                       = "ssh"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "22"
  }
}
resource "aws_security_group" "node" {
  name_prefix = "node"
  ingress {
    from_port   = 0
    to_port     = 65535
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
resource "openstack_networking_secgroup_rule_v2" "etcd" {
  direction         = "ingress"
  ethertype         = "IPv4"
  protocol          = "tcp"
  port_range_min    = 2379
  port_range_max    = 2380
  security_group_id = openstack_networking_secgroup_v2.x.id
}
"""


def test_other_peoples_terraform() -> None:
    made = {(one.rule.id, one.where) for one in found(OTHERS)}
    assert made == {
        ("azure-vnet-inbound", "azurerm_network_security_group.web"),
        ("world-open-ssh", "azurerm_network_security_group.web.security_rule[0]"),
        ("world-open-control-plane", "aws_security_group.node.ingress[0]"),
        ("world-open-api", "aws_security_group.node.ingress[0]"),
        ("world-open-ssh", "aws_security_group.node.ingress[0]"),
        ("world-open-control-plane", "openstack_networking_secgroup_rule_v2.etcd"),
    }


FORMATION = """
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Node:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupName: !Sub "${AWS::StackName}-node"
      GroupDescription: nodes, mostly
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 10250, ToPort: 10250, CidrIp: 0.0.0.0/0}
        - {IpProtocol: tcp, FromPort: 10250, ToPort: 10250, SourceSecurityGroupId: !Ref Other}
  Loop:
    Type: AWS::EC2::SecurityGroupIngress
    Properties:
      GroupId: !GetAtt Node.GroupId
      IpProtocol: tcp
      FromPort: 10250
      ToPort: 10250
      CidrIp: 0.0.0.0/0
"""


def test_other_peoples_cloudformation() -> None:
    made = {(one.rule.id, one.where) for one in found(FORMATION)}
    assert made == {
        ("world-open-control-plane", "Resources.Node.SecurityGroupIngress[0]"),
        ("world-open-control-plane", "Resources.Loop"),
        ("aws-duplicate", "Resources.Loop"),
    }

"""Security groups: quotas as AWS counts them, splitting, names, and what one cannot say."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from time import process_time

import pytest

from rules.cloud.aws import named, weight
from rules.cloud.document import CloudOptions
from rules.cloud.peer import named_peer, network_peer, role_peer
from rules.cloud.plan import Wishes
from rules.cloud.rule import Place, Rule
from rules.cluster import Cluster, CniChoice, Node, Role, Sources
from rules.errors import ConfigError, UsageError
from rules.flows import Group
from rules.parse.cloud import parse
from rules.render.cloud import cloud_rules, render
from tests.rules.cloud.plans import plan_of, read_back, wanted, widest
from tests.rules.render.clusters import cluster

TUNNEL = CniChoice("flannel", "vxlan")


def admins(count: int) -> Sources:
    return Sources(admins=tuple(ip_network((203 << 24) + 2 * n) for n in range(count)))


def test_a_reference_counts_in_both_families_and_a_prefix_list_its_most_entries() -> None:
    def rule(peer: object) -> Rule:
        return Rule("worker", Place.NODE, (4, 6), peer, 6, (22, 22))  # type: ignore[arg-type]

    four = rule(network_peer(ip_network("192.0.2.0/24")))
    assert [weight(four, family) for family in (4, 6)] == [1, 0]
    assert [weight(rule(role_peer("worker")), family) for family in (4, 6)] == [1, 1]
    assert [weight(rule(named_peer("pl-1", 20)), family) for family in (4, 6)] == [20, 20]


def test_rules_that_do_not_fit_one_group_are_split_and_said_so() -> None:
    plan = plan_of(cluster(cni=TUNNEL, sources=admins(30)))
    made = cloud_rules("aws", plan)
    masters = [group for group in made.groups if group.role == "multi-master"]
    # Each admin: ssh, the API server, ping.
    assert [group.name for group in masters] == ["nodeprep-multi-master", "nodeprep-multi-master-2"]
    for group in made.groups:
        for family in (4, 6):
            assert sum(weight(rule, family) for rule in group.rules) <= 60
    assert "nodeprep-multi-master: 60 of 60 inbound IPv4 rules" in made.remarks
    for form in ("terraform", "cloudformation", "cli", "json"):
        assert read_back(made, form) == wanted(made)


def test_too_many_rules_are_refused_with_numbers() -> None:
    plan = plan_of(cluster(cni=TUNNEL, sources=admins(200)))
    with pytest.raises(UsageError, match=r"needs 4\d\d IPv4 and \d+ IPv6 .* groups of 60 rules"):
        cloud_rules("aws", plan)
    raised = CloudOptions(quotas=(("rules", 200), ("groups", 5)))
    made = cloud_rules("aws", plan, raised)
    assert max(item.used for item in made.usage) <= 200
    with pytest.raises(
        UsageError, match="aws has no quota called 'rulez'; there are rules, groups"
    ):
        cloud_rules("aws", plan, CloudOptions(quotas=(("rulez", 1),)))


def test_a_prefix_list_larger_than_a_group_is_refused() -> None:
    wishes = Wishes(peers=((Group.ADMINS, named("pl-0123456789abcdef0:61")[0]),))
    plan = plan_of(cluster(cni=TUNNEL), wishes=wishes)
    with pytest.raises(UsageError, match="counts as 61 rules, and a security group has 60"):
        cloud_rules("aws", plan)


@pytest.mark.sweep
def test_ten_thousand_nodes_are_two_references_or_refused_with_numbers() -> None:
    few = cluster(cni=TUNNEL)
    nodes = tuple(
        Node(f"w{n}", Role.WORKER, (ip_address((10 << 24) + 2 * n),)) for n in range(10_000)
    )
    many = Cluster(**{**vars(few), "nodes": (*few.nodes, *nodes)})
    began = process_time()
    made = cloud_rules("aws", plan_of(many))
    for form in ("terraform", "cloudformation", "cli", "json"):
        assert "10.0.0.2" not in "".join(render(form, made).files.values())
    assert process_time() - began < 2
    began = process_time()
    with pytest.raises(UsageError, match=r"needs \d{5} IPv4 and .* inbound rules"):
        cloud_rules("aws", plan_of(many, wishes=Wishes(by_address=True)))
    assert process_time() - began < 4


def test_pods_on_the_interface_are_a_widening_that_must_be_named() -> None:
    plan = plan_of(cluster(cni=CniChoice("flannel", "host-gw")))
    with pytest.raises(UsageError, match=r"AWS security groups cannot say exactly: .*pods-to-pods"):
        cloud_rules("aws", plan)
    with pytest.raises(UsageError) as refused:
        cloud_rules("aws", plan, allowed=["pods-to-pods", "control-plane-to-pods"])
    assert "--allow-widening nodes-to-pods," in str(refused.value)
    assert "exactly: nodes-to-pods" in str(refused.value)
    made = widest(plan, "aws")
    extra = {item.flow: item.extra for item in made.widenings}
    assert extra["pods-to-pods"].of_pair("worker", "")
    assert not extra["pods-to-pods"].of_pair("worker", "role:worker")


def test_a_reference_holds_for_both_families() -> None:
    choice = CniChoice("flannel", "wireguard")
    with pytest.raises(
        UsageError, match=r"flannel-wireguard-v4 .51820/udp over IPv4 becomes IPv4 a"
    ):
        cloud_rules("aws", plan_of(cluster(cni=choice, families=(4, 6))))
    assert not cloud_rules("aws", plan_of(cluster(cni=choice))).widenings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CloudOptions(name="sg-mine"), "not with sg-"),
        (CloudOptions(name="a b"), "letters, digits and hyphens"),
        (CloudOptions(name='a"; rm'), "letters, digits and hyphens"),
        (CloudOptions(name="n" * 101), "at most 100"),
        (CloudOptions(network="vpc-1"), "the id of a VPC"),
        (CloudOptions(network="$(id)"), "the id of a VPC"),
        (CloudOptions(tags=(("aws:x", "y"),)), "no aws: in front"),
        (CloudOptions(tags=(("a<b", "y"),)), "none that AWS takes"),
        (CloudOptions(tags=(("a", "y" * 257),)), "none that AWS takes"),
    ],
)
def test_names_that_ec2_would_not_take_are_refused(options: CloudOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cloud_rules("aws", plan_of(cluster(cni=TUNNEL)), options)


@pytest.mark.parametrize(
    "word", ["sg-1", "pl-0123456789abcdef0", "pl-0123456789abcdef0:0", "x", ""]
)
def test_senders_that_aws_does_not_have_are_refused(word: str) -> None:
    with pytest.raises(UsageError):
        named(word)


def test_a_dump_with_several_ranges_and_ids_reads_like_one_rule_each() -> None:
    text = """{"SecurityGroups": [
      {"GroupId": "sg-0a0a0a0a", "GroupName": "w", "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "IpRanges": [{"CidrIp": "192.0.2.0/24"},
         {"CidrIp": "198.51.100.0/24"}], "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}],
         "UserIdGroupPairs": [{"GroupId": "sg-0b0b0b0b"}, {"GroupId": "sg-0c0c0c0c"}],
         "PrefixListIds": [{"PrefixListId": "pl-1"}]},
        {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-0a0a0a0a"}]},
        {"IpProtocol": "50", "IpRanges": [{"CidrIp": "192.0.2.1/32"}]}]},
      {"GroupId": "sg-0b0b0b0b", "GroupName": "m", "IpPermissions": []}]}"""
    group, other = parse("aws", "json", text)
    assert [(str(rule.peer), rule.protocol, rule.ports) for rule in group.ingress] == [
        ("192.0.2.0/24", 6, (1, 2)),
        ("198.51.100.0/24", 6, (1, 2)),
        ("2001:db8::/32", 6, (1, 2)),
        ("m", 6, (1, 2)),
        ("sg-0c0c0c0c", 6, (1, 2)),
        ("pl-1", 6, (1, 2)),
        ("w", None, None),
        ("192.0.2.1/32", 50, None),
    ]
    assert group.id == "sg-0a0a0a0a"
    assert group.ingress[6].where == "SecurityGroups[0].IpPermissions[1]"
    assert other.ingress == ()


def test_terraform_of_other_people_is_read() -> None:
    text = """
resource "aws_security_group" "node" {
  name_prefix = "x"
  ingress {
    from_port   = 0
    to_port     = 65535
    protocol    = "tcp"
    cidr_blocks = ["192.0.2.0/24", "198.51.100.0/24"]
    self        = true
  }
  ingress {
    from_port        = 0
    to_port          = 0
    protocol         = "-1"
    ipv6_cidr_blocks = ["::/0"]
    security_groups  = [aws_security_group.cp.id]
  }
}
resource "aws_security_group" "cp" {
  name = "cp"
}
resource "aws_security_group_rule" "r" {
  type                     = "ingress"
  security_group_id        = aws_security_group.cp.id
  source_security_group_id = aws_security_group.node.id
  protocol                 = "TCP"
  from_port                = 6443
  to_port                  = 6443
}
"""
    node, cp = parse("aws", "terraform", text)
    assert node.name == "aws_security_group.node"
    assert [(str(rule.peer), rule.protocol, rule.ports) for rule in node.ingress] == [
        ("192.0.2.0/24", 6, None),
        ("198.51.100.0/24", 6, None),
        ("aws_security_group.node", 6, None),
        ("::/0", None, None),
        ("cp", None, None),
    ]
    assert [(str(rule.peer), rule.ports) for rule in cp.ingress] == [
        ("aws_security_group.node", (6443, 6443))
    ]


def test_cloudformation_in_yaml_is_read() -> None:
    text = """
Resources:
  Node:
    Type: AWS::EC2::SecurityGroup
    Properties:
      GroupDescription: nodes
      SecurityGroupIngress:
        - {IpProtocol: tcp, FromPort: 22, ToPort: 22, CidrIp: 203.0.113.0/24}
  FromSelf:
    Type: AWS::EC2::SecurityGroupIngress
    Properties:
      GroupId: !GetAtt Node.GroupId
      SourceSecurityGroupId: !Ref Node
      IpProtocol: -1
"""
    (group,) = parse("aws", "cloudformation", text)
    assert [(str(rule.peer), rule.protocol, rule.ports) for rule in group.ingress] == [
        ("203.0.113.0/24", 6, (22, 22)),
        ("Node", None, None),
    ]


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        ("json", "{", "is not JSON"),
        ("json", '{"SecurityGroups": [5]}', "is no mapping"),
        ("json", '{"SecurityGroups": [{"IpPermissions": [{"IpProtocol": "tpc"}]}]}', "'tpc'"),
        (
            "json",
            '{"SecurityGroups": [{"IpPermissions": [{"IpProtocol": "tcp", "FromPort": 70000}]}]}',
            r"SecurityGroups\[0\].IpPermissions\[0\]: 70000-70000 is no range",
        ),
        ("cloudformation", "a: [", "is not YAML"),
        ("cloudformation", "5", "is no mapping"),
        ("terraform", 'resource "a" {', "is not Terraform's language"),
        ("cli", 'permit ingress "$x" \'[', "no line of shell"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(form: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse("aws", form, text, "given.txt")

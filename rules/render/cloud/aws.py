"""Security groups of Amazon: Terraform, CloudFormation, a script and EC2's own JSON. Pure.

Groups come first and rules one by one, since groups refer to each other. JSON is built as data and
written by ``json``: no template could quote it more safely.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from rules.cloud.aws import DESCRIPTION_LENGTH, camel
from rules.cloud.document import CloudGroup, CloudRules, describe
from rules.cloud.peer import Kind, Peer
from rules.cloud.rule import Rule
from rules.errors import UsageError
from rules.render.cloud.hcl import Block, Expression, provider, variable
from rules.render.templating import fill, slug

NAMES = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmpv6", None: "-1"}
# A template holds at most 500 resources
# (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
MOST_RESOURCES = 500
ROLE_TAG, POLICY_TAG = "nodeprep:role", "nodeprep:policy"
# It refuses one type of ICMP with all of its codes. EC2 takes that: only a first port of -1 demands
# a last one of -1 (IpPermission in https://docs.aws.amazon.com/AWSEC2/latest/APIReference/).
_ICMP_CHECK = "E3688"
_EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


def terraform(rules: CloudRules) -> dict[str, str]:
    """One file for Terraform or OpenTofu with the AWS provider."""
    vpc: Any = rules.options.network or Expression("var.vpc_id")
    blocks = [provider("aws", "hashicorp/aws", "5.0")]
    if not rules.options.network:
        blocks.append(variable("vpc_id", "The VPC of the groups."))
    blocks += [
        variable(f"{_word(role)}_security_group_id", f"The group of role {role}, made elsewhere.")
        for role in rules.elsewhere
    ]
    for group in rules.groups:
        blocks.append(
            Block(
                "resource",
                ("aws_security_group", _resource(group)),
                (
                    ("name", group.name),
                    ("description", about(group)),
                    ("vpc_id", vpc),
                    ("tags", tags_of(rules, group)),
                ),
            )
        )
    taken: set[str] = set()
    for group in rules.groups:
        here = Expression(f"aws_security_group.{_resource(group)}.id")
        for rule in group.rules:
            name = slug(_rule_name(rule), taken, most=200).replace("-", "_")
            first, last = _ends(rule)
            blocks.append(
                Block(
                    "resource",
                    ("aws_vpc_security_group_ingress_rule", name),
                    (
                        ("security_group_id", here),
                        ("description", describe(rule, DESCRIPTION_LENGTH)),
                        ("ip_protocol", _protocol(rule)),
                        ("from_port", first),
                        ("to_port", last),
                        *_terraform_peer(rule.peer, rules),
                    ),
                )
            )
        blocks += _terraform_egress(rules, group, here)
    text = fill("cloud/terraform.tf.j2", remarks=rules.remarks, blocks=blocks)
    return {"nodeprep-aws.tf": text}


def _terraform_egress(rules: CloudRules, group: CloudGroup, here: Expression) -> Iterator[Block]:
    # Terraform takes away the rule that lets out everything, which EC2 gives to a new group.
    for family in rules.plan.families:
        yield Block(
            "resource",
            ("aws_vpc_security_group_egress_rule", f"{_resource(group)}_ipv{family}"),
            (
                ("security_group_id", here),
                ("description", "to anywhere"),
                ("ip_protocol", "-1"),
                (f"cidr_ipv{family}", _EVERYWHERE[family]),
            ),
        )


def _terraform_peer(peer: Peer, rules: CloudRules) -> Iterator[tuple[str, Any]]:
    if peer.network is not None:
        yield f"cidr_ipv{peer.family}", str(peer.network)
    elif peer.kind is Kind.NAMED:
        prefix_list = peer.name.startswith("pl-")
        yield "prefix_list_id" if prefix_list else "referenced_security_group_id", peer.name
    elif peer.name in rules.plan.receivers:
        yield (
            "referenced_security_group_id",
            Expression(f"aws_security_group.{_word(peer.name)}.id"),
        )
    else:
        variable = Expression(f"var.{_word(peer.name)}_security_group_id")
        yield "referenced_security_group_id", variable


def cloudformation(rules: CloudRules) -> dict[str, str]:
    """A template of CloudFormation in JSON. Raises UsageError for more than 500 resources."""
    parameters: dict[str, Any] = {}
    if not rules.options.network:
        parameters["VpcId"] = {"Type": "AWS::EC2::VPC::Id"}
    for role in rules.elsewhere:
        parameters[f"{camel(role)}SecurityGroupId"] = {"Type": "AWS::EC2::SecurityGroup::Id"}
    vpc = rules.options.network or {"Ref": "VpcId"}
    resources: dict[str, Any] = {}
    for group in rules.groups:
        resources[camel(_resource(group))] = {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupName": group.name,
                "GroupDescription": about(group),
                "VpcId": vpc,
                "SecurityGroupEgress": [
                    {"IpProtocol": "-1", _cidr(family): _EVERYWHERE[family]}
                    for family in rules.plan.families
                ],
                "Tags": [
                    {"Key": key, "Value": text} for key, text in tags_of(rules, group).items()
                ],
            },
        }
    taken: set[str] = set()
    for group in rules.groups:
        here = {"Fn::GetAtt": [camel(_resource(group)), "GroupId"]}
        for rule in group.rules:
            name = camel(slug(_rule_name(rule), taken, most=200))
            resources[name] = {
                "Type": "AWS::EC2::SecurityGroupIngress",
                "Properties": {
                    "GroupId": here,
                    "IpProtocol": _protocol(rule),
                    **_ports(rule),
                    **_cloudformation_peer(rule.peer, rules),
                    "Description": describe(rule, DESCRIPTION_LENGTH),
                },
            }
    if len(resources) > MOST_RESOURCES:
        raise UsageError(
            f"a template of CloudFormation has at most {MOST_RESOURCES} resources, and this one "
            f"would have {len(resources)}; render one role at a time"
        )
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "; ".join(rules.remarks)[:1024],
        "Metadata": {"cfn-lint": {"config": {"ignore_checks": [_ICMP_CHECK]}}},
        **({"Parameters": parameters} if parameters else {}),
        "Resources": resources,
    }
    return {"nodeprep-aws.template.json": _json(template)}


def _cloudformation_peer(peer: Peer, rules: CloudRules) -> dict[str, Any]:
    if peer.network is not None:
        return {_cidr(peer.family): str(peer.network)}
    if peer.kind is Kind.NAMED:
        prefix_list = peer.name.startswith("pl-")
        return {"SourcePrefixListId" if prefix_list else "SourceSecurityGroupId": peer.name}
    if peer.name in rules.plan.receivers:
        return {"SourceSecurityGroupId": {"Fn::GetAtt": [camel(peer.name), "GroupId"]}}
    return {"SourceSecurityGroupId": {"Ref": f"{camel(peer.name)}SecurityGroupId"}}


def script(rules: CloudRules) -> dict[str, str]:
    """A script of bash for the `aws` command."""
    groups: list[tuple[str, list[str]]] = []
    for group in rules.groups:
        tags = _pairs(tags_of(rules, group))
        specification = _compact([{"ResourceType": "security-group", "Tags": tags}])
        words = ["group", group.name, about(group), specification]
        groups.append((f"sg_{_resource(group)}", words))
    groups += [(f"sg_{_word(role)}", ["present", rules.names[role]]) for role in rules.elsewhere]
    permissions = [
        ("ingress", f"sg_{_resource(group)}", _spliced(permission(rule, rules, "GroupId")))
        for group in rules.groups
        for rule in group.rules
    ]
    # A new group lets out everything by IPv4.
    permissions += [
        ("egress", f"sg_{_resource(group)}", _spliced(egress(6)))
        for group in rules.groups
        if 6 in rules.plan.families
    ]
    text = fill("cloud/aws.sh.j2", rules=rules, groups=groups, permissions=permissions)
    return {"nodeprep-aws.sh": text}


def _spliced(made: dict[str, Any]) -> str:
    """One word of shell: JSON in single quotes, but for the variable that holds a group's id."""
    pairs = made.get("UserIdGroupPairs", [])
    role = pairs[0]["GroupId"] if pairs else ""
    text = _compact([made])
    if not role.startswith("$"):
        return shlex.quote(text)
    before, after = text.split(role, 1)
    return f'{shlex.quote(before)}"{role}"{shlex.quote(after)}'


def ec2(rules: CloudRules) -> dict[str, str]:
    """Groups as `aws ec2 describe-security-groups` prints them, with names in the place of ids."""
    groups = [
        {
            "GroupName": group.name,
            "Description": about(group),
            **({"VpcId": rules.options.network} if rules.options.network else {}),
            "IpPermissions": [permission(rule, rules, "GroupName") for rule in group.rules],
            "IpPermissionsEgress": [egress(family) for family in rules.plan.families],
            "Tags": _pairs(tags_of(rules, group)),
        }
        for group in rules.groups
    ]
    return {"nodeprep-aws.json": _json({"SecurityGroups": groups})}


def permission(rule: Rule, rules: CloudRules, field: str) -> dict[str, Any]:
    """A rule as the EC2 API's IpPermission.

    ``field``: GroupId writes ``$sg_ROLE`` for the group of a role, GroupName its name.
    """
    about = describe(rule, DESCRIPTION_LENGTH)
    made: dict[str, Any] = {"IpProtocol": _protocol(rule), **_ports(rule)}
    if rule.protocol not in NAMES:
        # EC2 takes no ports here, and some that answer in its place want to see them.
        made |= {"FromPort": -1, "ToPort": -1}
    peer = rule.peer
    if peer.network is not None:
        ranges, name = ("IpRanges", "CidrIp") if peer.family == 4 else ("Ipv6Ranges", "CidrIpv6")
        return {**made, ranges: [{name: str(peer.network), "Description": about}]}
    if peer.name.startswith("pl-") and peer.kind is Kind.NAMED:
        return {**made, "PrefixListIds": [{"PrefixListId": peer.name, "Description": about}]}
    if peer.kind is Kind.NAMED:
        pair = {"GroupId": peer.name}
    elif field == "GroupName":
        pair = {"GroupName": rules.names[peer.name]}
    else:
        pair = {"GroupId": f"$sg_{_word(peer.name)}"}
    return {**made, "UserIdGroupPairs": [{**pair, "Description": about}]}


def egress(family: int) -> dict[str, Any]:
    """Everything out, in one family, as an IpPermission."""
    ranges, name = ("IpRanges", "CidrIp") if family == 4 else ("Ipv6Ranges", "CidrIpv6")
    return {"IpProtocol": "-1", ranges: [{name: _EVERYWHERE[family]}]}


def _protocol(rule: Rule) -> str:
    return NAMES.get(rule.protocol, str(rule.protocol))


def _ends(rule: Rule) -> tuple[int | None, int | None]:
    """FromPort and ToPort; of ICMP a type and all of its codes, -1 for every type."""
    if rule.protocol in (1, 58):
        return (-1, -1) if rule.ports is None else (rule.ports[0], -1)
    return rule.interval if rule.protocol in (6, 17) else (None, None)


def _ports(rule: Rule) -> dict[str, int]:
    first, last = _ends(rule)
    return {} if first is None or last is None else {"FromPort": first, "ToPort": last}


def tags_of(rules: CloudRules, group: CloudGroup) -> dict[str, str]:
    """What a group is known by: its role, the policy, and what a person asked for."""
    return {
        **dict(rules.options.tags),
        "Name": group.name,
        ROLE_TAG: group.role,
        POLICY_TAG: rules.plan.digest_of(group.role),
    }


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": text} for key, text in tags.items()]


def about(group: CloudGroup) -> str:
    """The description of a group."""
    more = f" (part {group.number})" if group.number > 1 else ""
    return f"nodeprep: Kubernetes role {group.role}{more}"


def _rule_name(rule: Rule) -> str:
    return f"{rule.receiver} from {rule.peer} {rule.what}"


def _word(role: str) -> str:
    return role.replace("-", "_")


def _resource(group: CloudGroup) -> str:
    return _word(group.role) + (f"_{group.number}" if group.number > 1 else "")


def _cidr(family: int) -> str:
    return "CidrIp" if family == 4 else "CidrIpv6"


def _json(data: Any) -> str:
    return json.dumps(data, indent=2) + "\n"


def _compact(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))


FORMATS: dict[str, Callable[[CloudRules], dict[str, str]]] = {
    "terraform": terraform,
    "cloudformation": cloudformation,
    "cli": script,
    "json": ec2,
}

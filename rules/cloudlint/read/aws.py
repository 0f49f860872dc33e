"""Terraform, CloudFormation and EC2's JSON as they are written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rules.cloudlint.model import Group, Party, Said, whole
from rules.cloudlint.read.values import gathered, listed, literal, resources, word
from rules.parse.cloud import values
from rules.parse.cloud.hcl import Reference

Read = tuple[tuple[Group, ...], dict[str, int]]
# Field -> kind of sender, and the family that it is for.
_TERRAFORM = {
    "cidr_ipv4": ("network", "4"), "cidr_ipv6": ("network", "6"), "cidr_blocks": ("network", "4"),
    "ipv6_cidr_blocks": ("network", "6"), "referenced_security_group_id": ("group", None),
    "source_security_group_id": ("group", None), "security_groups": ("group", None),
    "prefix_list_id": ("list", None), "prefix_list_ids": ("list", None),
}  # fmt: skip
_FORMATION = {
    "CidrIp": ("network", "4"), "CidrIpv6": ("network", "6"),
    "SourceSecurityGroupId": ("group", None), "SourceSecurityGroupName": ("group", None),
    "DestinationSecurityGroupId": ("group", None), "SourcePrefixListId": ("list", None),
    "DestinationPrefixListId": ("list", None),
}  # fmt: skip


def _rules(
    where: str,
    said: dict[str, Any],
    fields: dict[str, tuple[str, str | None]],
    names: tuple[str, str, str, str],
    *,
    egress: bool,
    known: Callable[[Any], Any],
) -> Iterable[Said]:
    """One for each kind of sender, since families differ. ``names``: of protocol, ports, text."""
    protocol, first, last = (literal(said.get(name)) for name in names[:3])
    about = word(said.get(names[3]))
    ports = () if first is None and last is None else ((first, first if last is None else last),)
    itself = literal(said.get("self")) is True
    if itself:
        yield Said(
            where, None, about, egress, protocol=protocol, ports=ports,
            sources=(("group", "the group itself"),),
        )  # fmt: skip
    made = 0
    for name, (kind, family) in fields.items():
        sources, hidden = gathered([(kind, [known(one) for one in listed(said.get(name))])])
        if sources or hidden:
            made += 1
            yield Said(
                where, None, about, egress, protocol=protocol, ports=ports, sources=sources,
                hidden=hidden, family=family,
            )  # fmt: skip
    if not made and not itself:
        yield Said(where, None, about, egress, protocol=protocol, ports=ports)


_TERRAFORM_NAMES = ("ip_protocol", "from_port", "to_port", "description")
_FORMATION_NAMES = ("IpProtocol", "FromPort", "ToPort", "Description")


def terraform(text: str, source: str) -> Read:
    """Groups with inline rules, rules as resources, and prefix lists."""
    found = resources(text, source)
    groups = {one.address: one for one in found if one.kind == "aws_security_group"}
    lists = {
        one.address: size
        for one in found
        if one.kind == "aws_ec2_managed_prefix_list"
        and (size := whole(one.values.get("max_entries"))) is not None
    }

    def known(value: Any) -> Any:
        """An address of this file in the place of an expression that means it."""
        if isinstance(value, Reference):
            address = ".".join(value.text.split(".")[:2])
            return address if address in groups or address in lists else value
        return value

    rules: dict[str, list[Said]] = {address: [] for address in groups}
    for one in found:
        if one.kind == "aws_security_group_rule" or one.kind.startswith("aws_vpc_security_group_"):
            target = str(known(one.values.get("security_group_id")))
            egress = "egress" in one.kind or one.values.get("type") == "egress"
            said = {"ip_protocol": one.values.get("protocol"), **one.values}
            rules.setdefault(target, []).extend(
                _rules(one.address, said, _TERRAFORM, _TERRAFORM_NAMES, egress=egress, known=known)
            )
        elif one.address in groups:
            for way in ("ingress", "egress"):
                for number, item in enumerate(listed(one.values.get(way))):
                    if isinstance(item, dict):
                        said = {"ip_protocol": item.get("protocol"), **item}
                        where = f"{one.address}.{way}[{number}]"
                        rules[one.address] += _rules(
                            where, said, _TERRAFORM, _TERRAFORM_NAMES, egress=way == "egress",
                            known=known,
                        )  # fmt: skip
    return (
        tuple(
            Group(
                address,
                word(groups[address].values.get("name")) if address in groups else None,
                word(groups[address].values.get("description")) if address in groups else None,
                tuple(made),
                address in groups,
                str(groups[address].values.get("vpc_id", "")) if address in groups else "",
            )
            for address, made in rules.items()
        ),
        lists,
    )


def cloudformation(text: str, source: str) -> Read:
    """Groups with inline rules, rules as resources, and prefix lists."""
    top = values.mapping(values.yaml_document(text, source), source, "")
    every = values.mapping(top.get("Resources"), source, "Resources")
    said = {
        key: values.mapping(item.get("Properties"), source, f"Resources.{key}.Properties")
        for key, item in every.items()
        if isinstance(item, dict)
    }
    kinds = {key: str(item.get("Type")) for key, item in every.items() if isinstance(item, dict)}
    groups = [key for key, kind in kinds.items() if kind == "AWS::EC2::SecurityGroup"]
    lists = {
        key: size
        for key, kind in kinds.items()
        if kind == "AWS::EC2::PrefixList"
        and (size := whole(said[key].get("MaxEntries"))) is not None
    }

    def known(value: Any) -> Any:
        """The key of a resource of this file in the place of a function that means it."""
        if isinstance(value, dict) and len(value) == 1:
            (inner,) = value.values()
            key = str(inner[0] if isinstance(inner, list) and inner else inner).partition(".")[0]
            return key if key in groups or key in lists else value
        return value

    rules: dict[str, list[Said]] = {key: [] for key in groups}
    for key, kind in kinds.items():
        if kind in ("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"):
            target = str(known(said[key].get("GroupId")))
            egress = kind.endswith("Egress")
            where = f"Resources.{key}"
            rules.setdefault(target, []).extend(
                _rules(where, said[key], _FORMATION, _FORMATION_NAMES, egress=egress, known=known)
            )
        elif key in rules:
            for way in ("Ingress", "Egress"):
                for number, item in enumerate(listed(said[key].get(f"SecurityGroup{way}"))):
                    if isinstance(item, dict):
                        where = f"Resources.{key}.SecurityGroup{way}[{number}]"
                        rules[key] += _rules(
                            where, item, _FORMATION, _FORMATION_NAMES, egress=way == "Egress",
                            known=known,
                        )  # fmt: skip
    return (
        tuple(
            Group(
                f"Resources.{key}" if key in groups else key,
                word(said[key].get("GroupName")) if key in groups else None,
                word(said[key].get("GroupDescription")) if key in groups else None,
                tuple(made),
                key in groups,
                str(said[key].get("VpcId", "")) if key in groups else "",
            )
            for key, made in rules.items()
        ),
        lists,
    )


_LISTS = (
    ("IpRanges", "CidrIp", "network", "4"), ("Ipv6Ranges", "CidrIpv6", "network", "6"),
    ("UserIdGroupPairs", "GroupId", "group", None), ("PrefixListIds", "PrefixListId", "list", None),
)  # fmt: skip


def ec2(text: str, source: str) -> Read:
    """The answer of DescribeSecurityGroups, or a file in its form."""
    top = values.mapping(values.document(text, source), source, "")
    groups: list[Group] = []
    for number, item in enumerate(values.sequence(top.get("SecurityGroups"), source, "")):
        where = f"SecurityGroups[{number}]"
        said = values.mapping(item, source, where)
        rules: list[Said] = []
        for field in ("IpPermissions", "IpPermissionsEgress"):
            for place, one in enumerate(values.sequence(said.get(field), source, where)):
                permission = values.mapping(one, source, where)
                at = f"{where}.{field}[{place}]"
                rules += _permission(permission, at, source, egress=field.endswith("Egress"))
        name, about = word(said.get("GroupName")), word(said.get("Description"))
        groups.append(Group(where, name, about, tuple(rules), network=str(said.get("VpcId", ""))))
    return tuple(groups), {}


def _permission(
    said: dict[str, Any], where: str, source: str, *, egress: bool
) -> Iterable[Said]:  # fmt: skip
    first, last = said.get("FromPort"), said.get("ToPort")
    ports = () if first is None and last is None else ((first, last),)
    for field, key, kind, family in _LISTS:
        for item in values.sequence(said.get(field), source, where):
            one = values.mapping(item, source, where)
            text = one.get(key) or one.get("GroupName")
            party: tuple[Party, ...] = ((kind, str(text)),) if text is not None else ()
            yield Said(
                where, None, word(one.get("Description")), egress, protocol=said.get("IpProtocol"),
                ports=ports, sources=party, family=family,
            )  # fmt: skip


FORMATS: dict[str, Callable[[str, str], Read]] = {
    "terraform": terraform,
    "cloudformation": cloudformation,
    "json": ec2,
}

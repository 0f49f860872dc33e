"""Security groups of Amazon in Terraform, CloudFormation, scripts of ours and EC2's JSON. Pure.

A rule with several ranges or groups, as EC2 and CloudFormation write them, becomes one rule each.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

from rules.cloud.found import FoundGroup
from rules.cloud.peer import Peer, named_peer, network_peer
from rules.cloud.rule import Place, Rule
from rules.errors import ConfigError
from rules.parse.cloud import hcl, values
from rules.parse.cloud.hcl import Reference, Resource

_ASSIGNED = re.compile(r"(\w+)=\$\((group|present) (.*)\)")


def terraform(text: str, source: str) -> tuple[FoundGroup, ...]:
    """Resources of the AWS provider, in HCL or (text that begins with ``{``) JSON.

    Reads ``aws_security_group`` with its inline rules, ``aws_vpc_security_group_ingress_rule``,
    ``..._egress_rule`` and ``aws_security_group_rule``.
    """
    found = hcl.read(text, source)
    groups = [one for one in found if one.kind == "aws_security_group"]
    names = {one.address: _group_name(one) for one in groups}
    rules: dict[str, list[tuple[str, Rule]]] = {name: [] for name in names.values()}
    for one in found:
        direction = _RULE_RESOURCES.get(one.kind) or str(one.values.get("type", ""))
        if one.kind in _RULE_RESOURCES or one.kind == "aws_security_group_rule":
            target = _terraform_group(one.values.get("security_group_id"), names)
            made = _terraform_rules(one.values, target, names, source, one.address)
            rules.setdefault(target, []).extend((direction, rule) for rule in made)
    for one in groups:
        name = names[one.address]
        for direction in ("ingress", "egress"):
            inline = one.values.get(direction, [])
            for number, item in enumerate(inline if isinstance(inline, list) else [inline]):
                where = f"{one.address}.{direction}[{number}]"
                item = values.mapping(item, source, where)
                made = _terraform_rules(item, name, names, source, where)
                rules[name].extend((direction, rule) for rule in made)
    known = {names[one.address]: one for one in groups}
    return tuple(_terraform_found(name, known.get(name), made) for name, made in rules.items())


_RULE_RESOURCES = {
    "aws_vpc_security_group_ingress_rule": "ingress",
    "aws_vpc_security_group_egress_rule": "egress",
}


def _group_name(one: Resource) -> str:
    return str(one.values.get("name") or one.address)


def _terraform_found(name: str, one: Resource | None, rules: list[tuple[str, Rule]]) -> FoundGroup:
    said = one.values if one is not None else {}
    tags = said.get("tags")
    return FoundGroup(
        name=name,
        description=str(said.get("description", "")),
        network=str(said.get("vpc_id", "")),
        tags={k: str(v) for k, v in tags.items()} if isinstance(tags, dict) else {},
        ingress=tuple(rule for direction, rule in rules if direction == "ingress"),
        egress=tuple(rule for direction, rule in rules if direction == "egress"),
        where=one.address if one is not None else "",
    )


def _terraform_group(value: Any, names: dict[str, str]) -> str:
    """The name of a group that an expression or an id means."""
    if isinstance(value, Reference):
        address = ".".join(value.text.split(".")[:2])
        return names.get(address, value.text)
    return str(value)


def _terraform_rules(
    said: dict[str, Any], receiver: str, names: dict[str, str], source: str, where: str
) -> Iterator[Rule]:
    number = values.protocol(said.get("ip_protocol", said.get("protocol", "")), source, where)
    ports = port_range(number, said.get("from_port"), said.get("to_port"), source, where)
    peers: list[Peer] = []
    for field in ("cidr_ipv4", "cidr_ipv6", "cidr_blocks", "ipv6_cidr_blocks"):
        peers += [network_peer(values.network(word, source, where)) for word in _each(said, field)]
    for field in (
        "referenced_security_group_id", "source_security_group_id", "security_groups",
        "prefix_list_id", "prefix_list_ids",
    ):  # fmt: skip
        peers += [named_peer(_terraform_group(word, names)) for word in _each(said, field)]
    if said.get("self") is True:
        peers.append(named_peer(receiver))
    for peer in peers:
        yield _rule(receiver, peer, number, ports, where)


def _each(said: dict[str, Any], field: str) -> list[Any]:
    value = said.get(field)
    return [] if value is None else value if isinstance(value, list) else [value]


def cloudformation(text: str, source: str) -> tuple[FoundGroup, ...]:
    """A template in JSON or YAML: groups with inline rules, and rules as resources."""
    top = values.mapping(values.yaml_document(text, source), source, "")
    resources = values.mapping(top.get("Resources"), source, "Resources")
    said = {
        key: values.mapping(item.get("Properties"), source, f"Resources.{key}.Properties")
        for key, item in resources.items()
        if isinstance(item, dict)
    }
    kinds = {key: item.get("Type") for key, item in resources.items() if isinstance(item, dict)}
    names = {
        key: str(said[key].get("GroupName") or key)
        for key, kind in kinds.items()
        if kind == "AWS::EC2::SecurityGroup"
    }
    rules: dict[str, dict[str, list[Rule]]] = {
        name: {"Ingress": [], "Egress": []} for name in names.values()
    }
    for key, kind in kinds.items():
        if key in names:
            for direction in ("Ingress", "Egress"):
                where = f"Resources.{key}.SecurityGroup{direction}"
                for number, item in enumerate(
                    values.sequence(said[key].get(f"SecurityGroup{direction}"), source, where)
                ):
                    item = values.mapping(item, source, where)
                    rules[names[key]][direction] += _formation_rules(
                        item, names[key], names, source, f"{where}[{number}]"
                    )
        elif isinstance(kind, str) and kind.startswith("AWS::EC2::SecurityGroup"):
            direction = kind.removeprefix("AWS::EC2::SecurityGroup")
            target = _formation_group(said[key].get("GroupId"), names)
            place = rules.setdefault(target, {"Ingress": [], "Egress": []})
            place.setdefault(direction, []).extend(
                _formation_rules(said[key], target, names, source, f"Resources.{key}")
            )
    keys = {name: key for key, name in names.items()}
    return tuple(
        FoundGroup(
            name=name,
            description=str(said[keys[name]].get("GroupDescription", "")) if name in keys else "",
            tags=_tags(said[keys[name]].get("Tags")) if name in keys else {},
            ingress=tuple(made["Ingress"]),
            egress=tuple(made["Egress"]),
            where=f"Resources.{keys[name]}" if name in keys else "",
        )
        for name, made in rules.items()
    )


def _formation_group(value: Any, names: dict[str, str]) -> str:
    """The name of the group that ``Ref``, ``Fn::GetAtt`` or an id means."""
    if isinstance(value, dict) and len(value) == 1:
        (function, inner), *_ = value.items()
        key = inner[0] if function == "Fn::GetAtt" and isinstance(inner, list) else inner
        return names.get(str(key), str(key))
    return str(value)


def _formation_rules(
    said: dict[str, Any], receiver: str, names: dict[str, str], source: str, where: str
) -> Iterator[Rule]:
    number = values.protocol(said.get("IpProtocol", ""), source, where)
    ports = port_range(number, said.get("FromPort"), said.get("ToPort"), source, where)
    for field in ("CidrIp", "CidrIpv6"):
        if (word := said.get(field)) is not None:
            peer = network_peer(values.network(word, source, where))
            yield _rule(receiver, peer, number, ports, where)
    for field in (
        "SourceSecurityGroupId", "SourceSecurityGroupName", "DestinationSecurityGroupId",
        "SourcePrefixListId", "DestinationPrefixListId",
    ):  # fmt: skip
        if (word := said.get(field)) is not None:
            peer = named_peer(_formation_group(word, names))
            yield _rule(receiver, peer, number, ports, where)


def script(text: str, source: str) -> tuple[FoundGroup, ...]:
    """A script that ``rules.render.cloud.aws`` wrote; of other commands nothing is known."""
    variables: dict[str, str] = {}
    groups: dict[str, dict[str, Any]] = {}
    rules: dict[str, dict[str, list[Rule]]] = {}
    for line, content in enumerate(text.splitlines(), 1):
        if match := _ASSIGNED.fullmatch(content):
            words = _words(match[3], source, line)
            variables[match[1]] = words[0]
            if match[2] == "group":
                specification = values.document(words[2], source)[0]
                groups[words[0]] = {"about": words[1], "tags": _tags(specification["Tags"])}
                rules[words[0]] = {"ingress": [], "egress": []}
        elif content.startswith("permit "):
            _, direction, variable, permissions = _words(content, source, line)
            name = variables[variable[1:]]
            for item in values.document(permissions, source):
                ids = {f"${key}": word for key, word in variables.items()}
                rules[name][direction] += _permission(item, name, ids, source, f"line {line}")
    return tuple(
        FoundGroup(
            name=name,
            description=said["about"],
            tags=said["tags"],
            ingress=tuple(rules[name]["ingress"]),
            egress=tuple(rules[name]["egress"]),
        )
        for name, said in groups.items()
    )


def _words(text: str, source: str, line: int) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(source, f"is no line of shell: {error}", line=line) from None


def ec2(text: str, source: str) -> tuple[FoundGroup, ...]:
    """What `aws ec2 describe-security-groups` prints, and what we write in its form."""
    return described(values.document(text, source), source)


def described(document: Any, source: str) -> tuple[FoundGroup, ...]:
    """The answer of DescribeSecurityGroups, as boto3 or the command gives it."""
    top = values.mapping(document, source, "")
    groups = [
        values.mapping(item, source, "SecurityGroups")
        for item in values.sequence(top.get("SecurityGroups"), source, "SecurityGroups")
    ]
    names = {
        str(item["GroupId"]): str(item.get("GroupName", item["GroupId"]))
        for item in groups
        if item.get("GroupId")
    }
    found: list[FoundGroup] = []
    for number, item in enumerate(groups):
        where = f"SecurityGroups[{number}]"
        name = str(item.get("GroupName") or item.get("GroupId") or where)
        made = {
            field: tuple(
                rule
                for place, one in enumerate(values.sequence(item.get(field), source, where))
                for rule in _permission(
                    values.mapping(one, source, where), name, names, source,
                    f"{where}.{field}[{place}]",
                )
            )
            for field in ("IpPermissions", "IpPermissionsEgress")
        }  # fmt: skip
        found.append(
            FoundGroup(
                name=name,
                id=str(item.get("GroupId", "")),
                description=str(item.get("Description", "")),
                network=str(item.get("VpcId", "")),
                tags=_tags(item.get("Tags")),
                ingress=made["IpPermissions"],
                egress=made["IpPermissionsEgress"],
                where=where,
            )
        )
    return tuple(found)


def _permission(
    said: dict[str, Any], receiver: str, names: dict[str, str], source: str, where: str
) -> Iterator[Rule]:
    number = values.protocol(said.get("IpProtocol", ""), source, where)
    ports = port_range(number, said.get("FromPort"), said.get("ToPort"), source, where)
    for field, key in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")):
        for item in values.sequence(said.get(field), source, where):
            item = values.mapping(item, source, where)
            peer = network_peer(values.network(item.get(key), source, where))
            yield _rule(receiver, peer, number, ports, where)
    for item in values.sequence(said.get("UserIdGroupPairs"), source, where):
        item = values.mapping(item, source, where)
        word = str(item.get("GroupId") or item.get("GroupName"))
        yield _rule(receiver, named_peer(names.get(word, word)), number, ports, where)
    for item in values.sequence(said.get("PrefixListIds"), source, where):
        item = values.mapping(item, source, where)
        yield _rule(receiver, named_peer(str(item.get("PrefixListId"))), number, ports, where)


def port_range(
    number: int | None, first: Any, last: Any, source: str, where: str
) -> tuple[int, int] | None:
    """What FromPort and ToPort limit. Only tcp, udp and both ICMPs have some, whatever is said."""
    if number not in (6, 17, 1, 58) or first is None:
        return None
    low = values.number(first, source, where)
    if number in (1, 58):
        if low == -1:
            return None
        code = -1 if last is None else values.number(last, source, where)
        if code != -1:
            raise values.NotComparable(
                source,
                f"ICMP type {low} is limited to code {code}, and codes are not compared",
                key=where,
            )
        return values.interval(low, low, number, source, where)
    high = low if last is None else values.number(last, source, where)
    if (low, high) == (-1, -1):
        return None
    return values.interval(low, high, number, source, where)


def _rule(
    receiver: str, peer: Peer, number: int | None, ports: tuple[int, int] | None, where: str
) -> Rule:
    families = (peer.family,) if peer.family else (4, 6)
    return Rule(receiver, Place.NODE, families, peer, number, ports, where=where)


def _tags(items: Any) -> dict[str, str]:
    listed = items if isinstance(items, list) else []
    return {str(item.get("Key")): str(item.get("Value")) for item in listed}


FORMATS: dict[str, Callable[[str, str], tuple[FoundGroup, ...]]] = {
    "terraform": terraform,
    "cloudformation": cloudformation,
    "cli": script,
    "json": ec2,
}

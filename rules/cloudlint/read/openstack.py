"""OpenStack's security groups in Terraform, HEAT and Neutron's JSON, as they are written. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules.cloudlint.model import Group, Said
from rules.cloudlint.read.values import gathered, listed, literal, resources, word
from rules.parse.cloud import values
from rules.parse.cloud.hcl import Reference

Read = tuple[tuple[Group, ...], dict[str, int]]


def terraform(text: str, source: str) -> Read:
    """Groups, and rules as resources."""
    found = resources(text, source)
    groups = {one.address: one for one in found if one.kind == "openstack_networking_secgroup_v2"}
    rules: dict[str, list[Said]] = {address: [] for address in groups}
    for one in found:
        if one.kind == "openstack_networking_secgroup_rule_v2":
            value = one.values.get("security_group_id")
            target = str(value)
            if isinstance(value, Reference):
                target = ".".join(value.text.split(".")[:2])
            rules.setdefault(target, []).append(_said(one.address, one.values))
    return tuple(
        Group(
            address,
            word(groups[address].values.get("name")) if address in groups else None,
            word(groups[address].values.get("description")) if address in groups else None,
            tuple(made),
            address in groups,
        )
        for address, made in rules.items()
    ), {}


def heat(text: str, source: str) -> Read:
    """A template: groups with inline rules, and rules as resources."""
    top = values.mapping(values.yaml_document(text, source), source, "")
    every = values.mapping(top.get("resources"), source, "resources")
    groups: list[Group] = []
    loose: list[Said] = []
    for key, item in every.items():
        where = f"resources.{key}"
        one = values.mapping(item, source, where)
        said = values.mapping(one.get("properties"), source, where)
        if one.get("type") == "OS::Neutron::SecurityGroup":
            rules = tuple(
                _said(f"{where}.rules[{number}]", rule)
                for number, rule in enumerate(listed(said.get("rules")))
                if isinstance(rule, dict)
            )
            name, about = word(said.get("name")), word(said.get("description"))
            groups.append(Group(where, name, about, rules))
        elif one.get("type") == "OS::Neutron::SecurityGroupRule":
            loose.append(_said(where, said))
    return (*groups, Group(source, rules=tuple(loose), here=False)), {}


def neutron(text: str, source: str) -> Read:
    """The answer of GET /v2.0/security-groups."""
    top = values.mapping(values.document(text, source), source, "")
    groups: list[Group] = []
    listed_groups = values.sequence(top.get("security_groups"), source, "security_groups")
    for number, item in enumerate(listed_groups):
        where = f"security_groups[{number}]"
        said = values.mapping(item, source, where)
        rules = tuple(
            _said(f"{where}[{place}]", values.mapping(one, source, where))
            for place, one in enumerate(
                values.sequence(said.get("security_group_rules"), source, where)
            )
        )
        name, about = word(said.get("name")), word(said.get("description"))
        groups.append(Group(where, name, about, rules))
    return tuple(groups), {}


def _said(where: str, said: dict[str, Any]) -> Said:
    ethertype = str(literal(said.get("ethertype")) or "IPv4")
    first, last = literal(said.get("port_range_min")), literal(said.get("port_range_max"))
    group = said.get("remote_group_id", said.get("remote_group"))
    prefix = said.get("remote_ip_prefix")
    addresses = said.get("remote_address_group_id")
    sources, hidden = gathered((("network", prefix), ("group", group), ("list", addresses)))
    protocol = literal(said.get("protocol")) or None
    icmp = str(protocol).lower() in ("icmp", "icmpv6", "ipv6-icmp", "1", "58")
    if first is None and last is None:
        ports: tuple[tuple[Any, Any], ...] = ()
    elif icmp:
        ports = ((first, -1 if last is None else last),)
    else:
        ports = ((first, first if last is None else last),)
    return Said(
        where,
        None,
        word(said.get("description")),
        literal(said.get("direction")) == "egress",
        protocol=protocol,
        ports=ports,
        sources=sources,
        hidden=hidden,
        everybody=not sources and not hidden,
        family=ethertype.removeprefix("IPv"),
    )


FORMATS: dict[str, Callable[[str, str], Read]] = {
    "terraform": terraform,
    "heat": heat,
    "json": neutron,
}

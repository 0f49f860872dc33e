"""Security groups of OpenStack in Terraform, HEAT and the JSON of Neutron. Pure.

A rule without a remote side lets in everybody of its family.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from rules.cloud.found import FoundGroup
from rules.cloud.peer import Peer, named_peer, network_peer
from rules.cloud.rule import Place, Rule
from rules.errors import ConfigError
from rules.parse.cloud import hcl, values


def terraform(text: str, source: str) -> tuple[FoundGroup, ...]:
    """Resources of the provider of OpenStack, in HCL or JSON."""
    found = hcl.read(text, source)
    groups = {one.address: one for one in found if one.kind == "openstack_networking_secgroup_v2"}
    names = {address: str(one.values.get("name", address)) for address, one in groups.items()}

    def known(value: Any) -> str:
        if isinstance(value, hcl.Reference):
            return names.get(".".join(value.text.split(".")[:2]), value.text)
        return str(value)

    rules: dict[str, list[Rule]] = {name: [] for name in names.values()}
    for one in found:
        if one.kind == "openstack_networking_secgroup_rule_v2":
            target = known(one.values.get("security_group_id"))
            made = _rule(one.values, target, known, source, one.address)
            rules.setdefault(target, []).extend(made)
    about = {
        names[address]: str(one.values.get("description", "")) for address, one in groups.items()
    }
    return _found(rules, about)


def heat(text: str, source: str) -> tuple[FoundGroup, ...]:
    """A template: groups with their inline rules, and rules as resources."""
    top = values.mapping(values.yaml_document(text, source), source, "")
    resources = values.mapping(top.get("resources"), source, "resources")
    said = {
        key: values.mapping(item.get("properties"), source, f"resources.{key}.properties")
        for key, item in resources.items()
        if isinstance(item, dict)
    }
    kinds = {key: item.get("type") for key, item in resources.items() if isinstance(item, dict)}
    names = {
        key: str(said[key].get("name", key))
        for key, kind in kinds.items()
        if kind == "OS::Neutron::SecurityGroup"
    }

    def known(value: Any) -> str:
        if isinstance(value, dict) and len(value) == 1:
            (inner,) = value.values()
            return names.get(str(inner), str(inner))
        return str(value)

    rules: dict[str, list[Rule]] = {name: [] for name in names.values()}
    for key, name in names.items():
        for number, item in enumerate(values.sequence(said[key].get("rules"), source, key)):
            where = f"resources.{key}.rules[{number}]"
            rules[name] += _rule(values.mapping(item, source, where), name, known, source, where)
    for key, kind in kinds.items():
        if kind == "OS::Neutron::SecurityGroupRule":
            target = known(said[key].get("security_group"))
            made = _rule(said[key], target, known, source, f"resources.{key}")
            rules.setdefault(target, []).extend(made)
    about = {name: str(said[key].get("description", "")) for key, name in names.items()}
    return _found(rules, about)


def neutron(text: str, source: str) -> tuple[FoundGroup, ...]:
    """The answer of GET /v2.0/security-groups."""
    top = values.mapping(values.document(text, source), source, "")
    groups = [
        values.mapping(item, source, "security_groups")
        for item in values.sequence(top.get("security_groups"), source, "security_groups")
    ]
    names = {str(item.get("id")): str(item.get("name")) for item in groups}

    def known(value: Any) -> str:
        return names.get(str(value), str(value))

    rules: dict[str, list[Rule]] = {}
    for item in groups:
        name = str(item.get("name"))
        listed = values.sequence(item.get("security_group_rules"), source, name)
        rules[name] = [
            rule
            for number, one in enumerate(listed)
            for rule in _rule(
                values.mapping(one, source, name), name, known, source, f"{name}[{number}]"
            )
        ]
    return _found(rules, {str(i.get("name")): str(i.get("description", "")) for i in groups})


def _found(rules: dict[str, list[Rule]], about: dict[str, str]) -> tuple[FoundGroup, ...]:
    return tuple(
        FoundGroup(name, description=about.get(name, ""), ingress=tuple(made))
        for name, made in rules.items()
    )


def _rule(
    said: dict[str, Any], receiver: str, known: Callable[[Any], str], source: str, where: str
) -> list[Rule]:
    """The rule, none where it is for what leaves."""
    if said.get("direction", "ingress") != "ingress":
        return []
    ethertype = str(said.get("ethertype", "IPv4"))
    if ethertype not in ("IPv4", "IPv6"):
        raise ConfigError(source, f"no ether type is called {ethertype!r}", key=where)
    family = int(ethertype[-1])
    word = said.get("protocol")
    number = None if word in (None, "", "any") else values.protocol(word, source, where)
    if family == 6 and number == 1:
        number = 58  # Neutron takes icmp for both
    ports = _ports(said, number, source, where)
    peer: Peer
    group = said.get("remote_group_id", said.get("remote_group"))
    prefix = said.get("remote_ip_prefix")
    if said.get("remote_address_group_id") is not None:
        peer = named_peer(known(said["remote_address_group_id"]))
    elif group is not None:
        peer = named_peer(known(group))
    elif prefix is not None:
        peer = network_peer(values.network(prefix, source, where))
    else:
        peer = network_peer(ip_network("0.0.0.0/0" if family == 4 else "::/0"))
    return [Rule(receiver, Place.NODE, (family,), peer, number, ports, where=where)]


def _ports(
    said: dict[str, Any], number: int | None, source: str, where: str
) -> tuple[int, int] | None:
    first, last = said.get("port_range_min"), said.get("port_range_max")
    if first is None:
        return None
    low = values.number(first, source, where)
    if number in (1, 58):
        if last is not None:
            raise values.NotComparable(
                source,
                f"ICMP type {low} is limited to a code, and codes are not compared",
                key=where,
            )
        return values.interval(low, low, number, source, where)
    high = low if last is None else values.number(last, source, where)
    return values.interval(low, high, number, source, where)


FORMATS: dict[str, Callable[[str, str], tuple[FoundGroup, ...]]] = {
    "terraform": terraform,
    "heat": heat,
    "json": neutron,
}

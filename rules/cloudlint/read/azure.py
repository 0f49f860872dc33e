"""Azure's network security groups in Terraform, ARM and `az`'s JSON, as they are written. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules.cloudlint.model import Group, Party, Said
from rules.cloudlint.read.values import listed, literal, parties, resources, span, word
from rules.parse.cloud import values
from rules.parse.cloud.azure import TERRAFORM_FIELDS
from rules.parse.cloud.hcl import Reference

Read = tuple[tuple[Group, ...], dict[str, int]]
_NSG = "microsoft.network/networksecuritygroups"
_RULE = f"{_NSG}/securityrules"


def arm(text: str, source: str) -> Read:
    """A template, or what `az network nsg show` or `list` prints."""
    document = values.document(text, source)
    whole = document.get("resources") if isinstance(document, dict) else document
    every = listed(document if whole is None else whole)
    groups: list[Group] = []
    loose: list[Said] = []
    for number, item in enumerate(every):
        where = f"resources[{number}]"
        said = values.mapping(item, source, where)
        kind = str(said.get("type", _NSG)).lower()
        inner = values.mapping(said.get("properties", said), source, where)
        name = word(said.get("name"))
        if kind == _RULE:
            loose.append(_said(f"{where} {name or ''}".rstrip(), None, inner))
        elif kind == _NSG:
            at = name or where
            rules = [
                _of_list(one, at, source, place)
                for place, one in enumerate(values.sequence(inner.get("securityRules"), source, at))
            ]
            groups.append(Group(at, name, rules=tuple(rules)))
    return (*groups, *_loose(loose)), {}


def _of_list(item: Any, group: str, source: str, place: int) -> Said:
    said = values.mapping(item, source, group)
    name = word(said.get("name"))
    where = f"{group}: {name or f'securityRules[{place}]'}"
    return _said(where, name, values.mapping(said.get("properties", said), source, where))


def _loose(rules: list[Said]) -> list[Group]:
    """Rules of groups that are not known: each judged by itself."""
    return [Group(rule.where, rules=(rule,), here=False) for rule in rules]


def terraform(text: str, source: str) -> Read:
    """Resources of the azurerm provider: groups with inline rules, and rules of their own."""
    found = resources(text, source)
    groups = {one.address: one for one in found if one.kind == "azurerm_network_security_group"}
    by_name = {word(one.values.get("name")): address for address, one in groups.items()}
    rules: dict[str, list[Said]] = {address: [] for address in groups}
    for one in found:
        if one.kind == "azurerm_network_security_rule":
            value = one.values.get("network_security_group_name")
            target = by_name.get(word(value), str(value))
            if isinstance(value, Reference):
                target = ".".join(value.text.split(".")[:2])
            said = _said(one.address, word(one.values.get("name")), _renamed(one.values))
            rules.setdefault(target, []).append(said)
        elif one.address in groups:
            for number, item in enumerate(listed(one.values.get("security_rule"))):
                if isinstance(item, dict):
                    where = f"{one.address}.security_rule[{number}]"
                    said = _said(where, word(item.get("name")), _renamed(item))
                    rules[one.address].append(said)
    return tuple(
        Group(
            address,
            word(groups[address].values.get("name")) if address in groups else None,
            rules=tuple(made),
            here=address in groups,
        )
        for address, made in rules.items()
    ), {}


def _renamed(said: dict[str, Any]) -> dict[str, Any]:
    found = {name: said[key] for key, name in TERRAFORM_FIELDS.items() if key in said}
    return {**found, "description": said.get("description")}


def _both(said: dict[str, Any], field: str) -> list[Any]:
    """A field that the API has as one word and, in the plural, as a list."""
    plural = f"{field}es" if field.endswith("x") else f"{field}s"
    return [*listed(said.get(field) or None), *listed(said.get(plural))]


def _said(where: str, name: str | None, said: dict[str, Any]) -> Said:
    words, hidden = parties("network", _both(said, "sourceAddressPrefix"))
    sources: list[Party] = [
        ("service" if text[:1].isalpha() and ":" not in text else kind, text)
        for kind, text in words
    ]
    # An expression is an application security group all the same.
    groups = listed(said.get("sourceApplicationSecurityGroups"))
    sources += [("group", str(one)) for one in groups]
    ports = [literal(port) for port in _both(said, "destinationPortRange")]
    destinations, _ = parties("network", _both(said, "destinationAddressPrefix"))
    return Said(
        where,
        name,
        word(said.get("description")),
        str(literal(said.get("direction")) or "Inbound").lower() == "outbound",
        str(literal(said.get("access")) or "").lower() == "deny",
        literal(said.get("protocol")),
        tuple(span(port) for port in ports if port not in (None, "*")),
        tuple(sources),
        destinations=tuple(
            text for _, text in destinations if text != "*" and not text[:1].isalpha()
        ),
        hidden=hidden,
        priority=literal(said.get("priority")),
    )


FORMATS: dict[str, Callable[[str, str], Read]] = {"terraform": terraform, "arm": arm}

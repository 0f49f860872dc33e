"""Network security groups of Azure in Terraform, ARM, Bicep, scripts of ours and `az`'s JSON. Pure.

Rules are read in the order of their priorities. A group without a last rule that denies everything
lets in what Azure's own default rules do: the whole virtual network, and Azure's load balancer.
Another rule that denies is an error where a rule behind it allows: what is left is not compared.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_network
from typing import Any

from rules.cloud.found import FoundGroup
from rules.cloud.peer import Peer, named_peer, network_peer
from rules.cloud.rule import Place, Rule
from rules.errors import ConfigError
from rules.parse.cloud import hcl, values
from rules.parse.cloud.bicep import BicepResource, Symbol, resources

_ASG_KIND = "microsoft.network/applicationsecuritygroups"
_NSG_KIND = "microsoft.network/networksecuritygroups"
_RESOURCE_ID = re.compile(r"\[resourceId\('([^']+)', '([^']+)'\)\]")
_DEFAULTS = ("VirtualNetwork", "AzureLoadBalancer")
# One rule as the API has it: its name, its properties.
_Said = tuple[str, dict[str, Any]]


def arm(text: str, source: str) -> tuple[FoundGroup, ...]:
    """A template, or what `az network nsg show` or `list` prints."""
    document = values.document(text, source)
    if isinstance(document, dict) and "resources" in document:
        listed = values.sequence(document["resources"], source, "resources")
    else:
        listed = document if isinstance(document, list) else [document]
    groups: list[FoundGroup] = []
    for number, item in enumerate(listed):
        said = values.mapping(item, source, f"resources[{number}]")
        if str(said.get("type", _NSG_KIND)).lower() != _NSG_KIND:
            continue
        name = str(said.get("name") or f"resources[{number}]")
        # `az` flattens what the API has under properties.
        inner = values.mapping(said.get("properties", said), source, name)
        listed_rules = values.sequence(inner.get("securityRules"), source, name)
        rules = [_arm_rule(one, source, name) for one in listed_rules]
        groups.append(group(name, rules, _arm_asg, source, said.get("tags")))
    return tuple(groups)


def _arm_rule(item: Any, source: str, where: str) -> _Said:
    said = values.mapping(item, source, where)
    return str(said.get("name", "")), values.mapping(said.get("properties", said), source, where)


def _arm_asg(value: Any) -> str:
    """The name of an application security group by its id or by ``resourceId``."""
    text = str(value.get("id")) if isinstance(value, dict) else str(value)
    if match := _RESOURCE_ID.fullmatch(text):
        return match[2]
    return text


def bicep(text: str, source: str) -> tuple[FoundGroup, ...]:
    """A file of Bicep without expressions."""
    found = resources(text, source)
    names = {
        one.symbol: str(one.values.get("name")) for one in found if one.kind.lower() == _ASG_KIND
    }

    def asg(value: Any) -> str:
        inner = value.get("id") if isinstance(value, dict) else value
        if isinstance(inner, Symbol):
            return names.get(inner.text.removesuffix(".id"), inner.text)
        return str(inner)

    return tuple(
        group(
            str(one.values.get("name")), _bicep_rules(one, source), asg, source,
            one.values.get("tags"),
        )
        for one in found
        if one.kind.lower() == _NSG_KIND
    )  # fmt: skip


def _bicep_rules(one: BicepResource, source: str) -> list[_Said]:
    inner = values.mapping(one.values.get("properties"), source, one.symbol)
    listed = values.sequence(inner.get("securityRules"), source, one.symbol)
    return [_arm_rule(item, source, one.symbol) for item in listed]


TERRAFORM_FIELDS = {
    "access": "access", "priority": "priority", "direction": "direction", "protocol": "protocol",
    "destination_port_range": "destinationPortRange",
    "destination_port_ranges": "destinationPortRanges",
    "source_address_prefix": "sourceAddressPrefix",
    "source_address_prefixes": "sourceAddressPrefixes",
    "destination_address_prefix": "destinationAddressPrefix",
    "destination_address_prefixes": "destinationAddressPrefixes",
    "source_application_security_group_ids": "sourceApplicationSecurityGroups",
}  # fmt: skip


def terraform(text: str, source: str) -> tuple[FoundGroup, ...]:
    """Resources of the azurerm provider, in HCL or JSON; inline rules and rules of their own."""
    found = hcl.read(text, source)
    names = {
        one.address: str(one.values.get("name", one.address))
        for one in found
        if one.kind in ("azurerm_network_security_group", "azurerm_application_security_group")
    }

    def known(value: Any) -> str:
        if isinstance(value, hcl.Reference):
            return names.get(".".join(value.text.split(".")[:2]), value.text)
        return str(value)

    rules: dict[str, list[_Said]] = {}
    tags: dict[str, Any] = {}
    for one in found:
        if one.kind == "azurerm_network_security_group":
            name = names[one.address]
            tags[name] = one.values.get("tags")
            inline = one.values.get("security_rule", [])
            rules.setdefault(name, []).extend(
                (str(item.get("name", "")), _renamed(item))
                for item in (inline if isinstance(inline, list) else [inline])
            )
        elif one.kind == "azurerm_network_security_rule":
            target = known(one.values.get("network_security_group_name"))
            rules.setdefault(target, []).append((one.address, _renamed(one.values)))
    return tuple(
        group(name, listed, known, source, tags.get(name)) for name, listed in rules.items()
    )


def _renamed(said: dict[str, Any]) -> dict[str, Any]:
    return {TERRAFORM_FIELDS[key]: value for key, value in said.items() if key in TERRAFORM_FIELDS}


def script(text: str, source: str) -> tuple[FoundGroup, ...]:
    """A script that ``rules.render.cloud.azure`` wrote; of other commands nothing is known. Raises
    ConfigError with the line."""
    rules: dict[str, list[_Said]] = {}
    tags: dict[str, dict[str, str]] = {}
    flags = {
        "priority": "priority", "access": "access", "protocol": "protocol",
        "destination-port-ranges": "destinationPortRanges",
        "source-asgs": "sourceApplicationSecurityGroups",
        "source-address-prefixes": "sourceAddressPrefixes",
        "destination-address-prefixes": "destinationAddressPrefixes",
    }  # fmt: skip
    for line, content in enumerate(text.splitlines(), 1):
        if not content.startswith(("group ", "rule ")):
            continue
        try:
            command, name, *words = shlex.split(content)
        except ValueError as error:
            raise ConfigError(source, f"is no line of shell: {error}", line=line) from None
        if command == "group":
            rules[name] = []
            tags[name] = dict(word.partition("=")[::2] for word in words)
            continue
        said: dict[str, Any] = {}
        key = ""
        for word in words[1:]:
            if word.startswith("--"):
                key = flags.get(word[2:], "")
            elif key in ("priority", "access", "protocol"):
                said[key] = word
            elif key:
                said.setdefault(key, []).append(word)
        rules[name].append((words[0], said))
    return tuple(group(name, listed, str, source, tags[name]) for name, listed in rules.items())


def group(
    name: str, listed: Iterable[_Said], asg: Callable[[Any], str], source: str, tags: Any
) -> FoundGroup:
    """The group of some rules, read in the order of their priorities."""
    inbound = [
        (values.number(said.get("priority"), source, f"{name}: {rule}"), rule, said)
        for rule, said in listed
        if str(said.get("direction", "Inbound")).lower() == "inbound"
    ]
    made: list[Rule] = []
    denied = ""
    for _, rule, said in sorted(inbound, key=lambda one: one[0]):
        where = f"{name}: {rule}"
        if denied and denied != "everything":
            raise values.NotComparable(
                source, "denies, and what is left is not compared", key=denied
            )
        if denied:
            break
        if str(said.get("access")).lower() == "deny":
            denied = "everything" if _everything(said) else where
            continue
        made += _rules(said, name, asg, source, where)
    if denied != "everything":
        made += [Rule(name, Place.NODE, (4, 6), named_peer(tag), None, None) for tag in _DEFAULTS]
    known = tags if isinstance(tags, dict) else {}
    return FoundGroup(name, tags={k: str(v) for k, v in known.items()}, ingress=tuple(made))


def _everything(said: dict[str, Any]) -> bool:
    return said.get("protocol") == "*" and all(
        _words(said, field) == ["*"]
        for field in ("sourceAddressPrefix", "destinationAddressPrefix", "destinationPortRange")
    )


def _words(said: dict[str, Any], field: str) -> list[str]:
    """A field that the API has as one word and, in the plural, as a list."""
    plural = f"{field}es" if field.endswith("x") else f"{field}s"
    found = [said[field]] if said.get(field) else []
    more = said.get(plural)
    return [str(word) for word in (*found, *(more if isinstance(more, list) else []))]


def _rules(
    said: dict[str, Any], receiver: str, asg: Callable[[Any], str], source: str, where: str
) -> Iterator[Rule]:
    number = values.protocol(said.get("protocol"), source, where)
    place = Place.NODE
    families: tuple[int, ...] = (4, 6)
    destinations = _words(said, "destinationAddressPrefix")
    if destinations != ["*"]:
        place = Place.PODS
        networks = [values.network(word, source, where) for word in destinations]
        families = tuple(sorted({network.version for network in networks}))
    ported = number in (6, 17)
    words = _words(said, "destinationPortRange")
    ports = [values.ports(word, number, source, where) for word in words if ported]
    for peer in _peers(said, asg, source, where):
        known = (peer.family,) if peer.family else families
        for one in ports or [None]:
            yield Rule(receiver, place, known, peer, number, one, where=where)


def _peers(
    said: dict[str, Any], asg: Callable[[Any], str], source: str, where: str
) -> Iterator[Peer]:
    for item in values.sequence(said.get("sourceApplicationSecurityGroups"), source, where):
        yield named_peer(asg(item))
    for word in _words(said, "sourceAddressPrefix"):
        if word in ("*", "Internet"):
            # Internet is everything outside the virtual network: at most everything.
            yield network_peer(ip_network("0.0.0.0/0"))
            yield network_peer(ip_network("::/0"))
        elif word[:1].isalpha() and ":" not in word:
            yield named_peer(word)
        else:
            yield network_peer(values.network(word, source, where))


FORMATS: dict[str, Callable[[str, str], tuple[FoundGroup, ...]]] = {
    "terraform": terraform,
    "arm": arm,
    "bicep": bicep,
    "cli": script,
}

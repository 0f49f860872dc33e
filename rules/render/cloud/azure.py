"""Network security groups of Azure: Terraform, ARM, Bicep and a script for `az`. Pure.

A role has a network security group for its interfaces and an application security group that other
rules name. The last rule denies the rest, since Azure's own would let in the whole virtual network.
ARM's JSON is built as data and written by ``json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rules.cloud.azure import (
    DESCRIPTION_LENGTH,
    FIRST_PRIORITY,
    LAST_PRIORITY,
    is_tag,
)
from rules.cloud.bundle import Bundle
from rules.cloud.document import CloudGroup, CloudRules, describe_flows
from rules.cloud.peer import Kind, Peer
from rules.cloud.rule import Place
from rules.record import record
from rules.render.cloud.hcl import Block, Expression, provider, variable
from rules.render.templating import fill, slug

_NAMES = {6: "Tcp", 17: "Udp", 1: "Icmp", 50: "Esp", 51: "Ah", None: "*"}
# What has no meaning in the shorthand of `az`.
_PLAIN = re.compile(r"[A-Za-z0-9_:+-]+")
API_VERSION = "2024-05-01"
NSG = "Microsoft.Network/networkSecurityGroups"
ASG = "Microsoft.Network/applicationSecurityGroups"
ROLE_TAG, POLICY_TAG = "nodeprep-role", "nodeprep-policy"
_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


@record
class SecurityRule:
    """One inbound rule. ``asgs`` are roles and ids of application security groups.

    ``sources``, ``destinations`` and ``ports`` are lists of words; ``*`` alone for all.
    """

    name: str
    description: str
    priority: int
    access: str
    protocol: str
    ports: tuple[str, ...] = ("*",)
    sources: tuple[str, ...] = ()
    asgs: tuple[Peer, ...] = ()
    destinations: tuple[str, ...] = ("*",)


def security_rules(group: CloudGroup, rules: CloudRules) -> Iterator[SecurityRule]:
    """The rules of a group in the order of their priorities."""
    listed = [(one, family) for one in group.bundles for family in _families(one, rules)]
    step = max(1, min(10, (LAST_PRIORITY - FIRST_PRIORITY) // (len(listed) + 1)))
    taken: set[str] = set()
    for number, (one, family) in enumerate(listed):
        addresses = one.peers[0].network is not None or is_tag(one.peers[0])
        pods = rules.plan.cluster.pod_subnets
        yield SecurityRule(
            name=slug(one.flows[0] if one.flows else "rule", taken, most=70),
            description=describe_flows(one.flows, DESCRIPTION_LENGTH),
            priority=FIRST_PRIORITY + step * number,
            access="Allow",
            protocol=_NAMES[one.protocols[0]],
            ports=one.ports(one.protocols[0]) or ("*",),
            sources=tuple(map(str, one.peers)) if addresses else (),
            asgs=() if addresses else one.peers,
            destinations=tuple(str(net) for net in pods if net.version == family)
            if one.place is Place.PODS
            else ("*",),
        )
    yield SecurityRule(
        "deny-everything-else",
        "Before Azure's own rule that lets in the whole virtual network",
        LAST_PRIORITY,
        "Deny",
        "*",
        sources=("*",),
    )


def _families(one: Bundle, rules: CloudRules) -> tuple[int, ...]:
    """A rule to pods is one for each family, since their addresses cannot be mixed."""
    if one.family or one.place is Place.NODE:
        return (one.family,)
    return tuple(sorted({net.version for net in rules.plan.cluster.pod_subnets}))


def tags_of(rules: CloudRules, group: CloudGroup) -> dict[str, str]:
    """The tags of a group, by which it is known as ours."""
    return {
        **dict(rules.options.tags),
        ROLE_TAG: group.role,
        POLICY_TAG: rules.plan.digest,
    }


def tag_words(tags: Mapping[str, str]) -> list[str]:
    """Tags as `az` takes them, in its shorthand: quotes around what has a meaning there.

    https://github.com/Azure/azure-cli/blob/dev/doc/shorthand_syntax.md
    """
    return [f"{_shorthand(key)}={_shorthand(text)}" for key, text in tags.items()]


def _shorthand(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() != "null":
        return text
    return "'" + text.replace("'", "'/") + "'"


def terraform(rules: CloudRules) -> dict[str, str]:
    """One file for Terraform or OpenTofu with the azurerm provider."""
    scope: Any = rules.options.scope or Expression("var.resource_group_name")
    location: Any = rules.options.location or Expression("var.location")
    blocks = [provider("azurerm", "hashicorp/azurerm", "3.0")]
    if not rules.options.scope:
        blocks.append(variable("resource_group_name", "The resource group of the groups."))
    if not rules.options.location:
        blocks.append(variable("location", "The region of the groups."))
    blocks += [
        variable(f"{_word(role)}_application_security_group_id", f"That of role {role}.")
        for role in rules.elsewhere
    ]
    for group in rules.groups:
        body = (
            ("name", group.name),
            ("location", location),
            ("resource_group_name", scope),
            ("tags", tags_of(rules, group)),
        )
        blocks += [
            Block("resource", (f"azurerm_{kind}_security_group", _word(group.role)), body)
            for kind in ("application", "network")
        ]
    for group in rules.groups:
        here = Expression(f"azurerm_network_security_group.{_word(group.role)}.name")
        for one in security_rules(group, rules):
            asgs = [_terraform_asg(peer, rules) for peer in one.asgs]
            blocks.append(
                Block(
                    "resource",
                    (
                        "azurerm_network_security_rule",
                        f"{_word(group.role)}_{one.name.replace('-', '_')}",
                    ),
                    (
                        ("name", one.name),
                        ("description", one.description),
                        ("resource_group_name", scope),
                        ("network_security_group_name", here),
                        ("priority", one.priority),
                        ("direction", "Inbound"),
                        ("access", one.access),
                        ("protocol", one.protocol),
                        ("source_port_range", "*"),
                        _either("destination_port_range", one.ports),
                        ("source_application_security_group_ids", asgs or None),
                        _either("source_address_prefix", one.sources),
                        _either("destination_address_prefix", one.destinations),
                    ),
                )
            )
    text = fill("cloud/terraform.tf.j2", remarks=rules.remarks, blocks=blocks)
    return {"nodeprep-azure.tf": text}


def _either(name: str, words: tuple[str, ...]) -> tuple[str, Any]:
    """A single value, or the plural with a list."""
    if len(words) == 1:
        return name, words[0]
    plural = f"{name}es" if name.endswith("x") else f"{name}s"
    return plural, list(words) or None


def _terraform_asg(peer: Peer, rules: CloudRules) -> Any:
    if peer.kind is Kind.NAMED:
        return peer.name
    if peer.name in rules.plan.receivers:
        return Expression(f"azurerm_application_security_group.{_word(peer.name)}.id")
    return Expression(f"var.{_word(peer.name)}_application_security_group_id")


def _properties(one: SecurityRule, asg: Callable[[Peer], Any]) -> dict[str, Any]:
    """The properties of a securityRules resource."""
    made: dict[str, Any] = {
        "description": one.description,
        "priority": one.priority,
        "direction": "Inbound",
        "access": one.access,
        "protocol": one.protocol,
        "sourcePortRange": "*",
    }
    for name, words in (
        ("destinationPortRange", one.ports),
        ("sourceAddressPrefix", one.sources),
        ("destinationAddressPrefix", one.destinations),
    ):
        key, value = _either(name, words)
        if value is not None:
            made[key] = value
    if one.asgs:
        made["sourceApplicationSecurityGroups"] = [{"id": asg(peer)} for peer in one.asgs]
    return made


def arm(rules: CloudRules) -> dict[str, str]:
    """A template of Azure Resource Manager."""

    def asg(peer: Peer) -> str:
        if peer.kind is Kind.NAMED:
            return peer.name
        return f"[resourceId('{ASG}', '{rules.names[peer.name]}')]"

    location = rules.options.location or "[parameters('location')]"
    resources: list[dict[str, Any]] = []
    ours = [f"[resourceId('{ASG}', '{group.name}')]" for group in rules.groups]
    for group in rules.groups:
        # A text that begins with a bracket would be an expression.
        tags = {k: f"[{v}" if v.startswith("[") else v for k, v in tags_of(rules, group).items()}
        common = {"apiVersion": API_VERSION, "name": group.name, "location": location, "tags": tags}
        listed = [
            {"name": one.name, "properties": _properties(one, asg)}
            for one in security_rules(group, rules)
        ]
        resources += [
            {"type": ASG, **common},
            {"type": NSG, **common, "dependsOn": ours, "properties": {"securityRules": listed}},
        ]
    parameters = {
        "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
    }
    template = {
        "$schema": _SCHEMA,
        "contentVersion": "1.0.0.0",
        "metadata": {"description": "; ".join(rules.remarks)},
        **({} if rules.options.location else {"parameters": parameters}),
        "resources": resources,
    }
    return {"nodeprep-azure.json": json.dumps(template, indent=2, ensure_ascii=False) + "\n"}


def bicep(rules: CloudRules) -> dict[str, str]:
    """The same in Bicep."""
    from rules.render.cloud.bicep import Symbol

    def asg(peer: Peer) -> Any:
        return peer.name if peer.kind is Kind.NAMED else Symbol(f"asg_{_word(peer.name)}.id")

    location: Any = rules.options.location or Symbol("location")
    resources: list[tuple[str, str, str, dict[str, Any]]] = [
        (f"asg_{_word(role)}", ASG, " existing", {"name": rules.names[role]})
        for role in rules.elsewhere
    ]
    for group in rules.groups:
        common = {"name": group.name, "location": location, "tags": tags_of(rules, group)}
        listed = [
            {"name": one.name, "properties": _properties(one, asg)}
            for one in security_rules(group, rules)
        ]
        resources += [
            (f"asg_{_word(group.role)}", ASG, "", common),
            (
                f"nsg_{_word(group.role)}",
                NSG,
                "",
                {**common, "properties": {"securityRules": listed}},
            ),
        ]
    text = fill("cloud/azure.bicep.j2", rules=rules, resources=resources, version=API_VERSION)
    return {"nodeprep-azure.bicep": text}


def script(rules: CloudRules) -> dict[str, str]:
    """A script of bash for the `az` command."""

    def asg(peer: Peer) -> str:
        return peer.name if peer.kind is Kind.NAMED else rules.names[peer.name]

    groups = [(group.name, tag_words(tags_of(rules, group))) for group in rules.groups]
    listed: list[list[str]] = []
    for group in rules.groups:
        for one in security_rules(group, rules):
            words = [group.name, one.name, "--priority", str(one.priority), "--access", one.access]
            words += ["--protocol", one.protocol, "--destination-port-ranges", *one.ports]
            if one.asgs:
                words += ["--source-asgs", *map(asg, one.asgs)]
            else:
                words += ["--source-address-prefixes", *one.sources]
            words += ["--destination-address-prefixes", *one.destinations]
            listed.append([*words, "--description", one.description])
    text = fill("cloud/azure.sh.j2", rules=rules, groups=groups, listed=listed)
    return {"nodeprep-azure.sh": text}


def _word(role: str) -> str:
    return role.replace("-", "_")


FORMATS: dict[str, Callable[[CloudRules], dict[str, str]]] = {
    "terraform": terraform,
    "arm": arm,
    "bicep": bicep,
    "cli": script,
}

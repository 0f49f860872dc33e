"""Security groups of OpenStack: Terraform and HEAT. Pure.

HEAT's YAML is built as data and written by PyYAML.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules.cloud.document import CloudGroup, CloudRules, describe
from rules.cloud.openstack import DESCRIPTION_LENGTH
from rules.cloud.peer import Kind
from rules.cloud.rule import Rule
from rules.render.cloud.hcl import Block, Expression, provider, variable
from rules.render.templating import fill, slug

# Every other protocol goes by its number.
NAMES = {6: "tcp", 17: "udp", 1: "icmp", 58: "ipv6-icmp", 132: "sctp"}
HEAT_VERSION = "2018-08-31"


def terraform(rules: CloudRules) -> dict[str, str]:
    """One file for Terraform or OpenTofu with the provider of OpenStack."""
    blocks = [provider("openstack", "terraform-provider-openstack/openstack", "1.49")]
    blocks += [
        variable(f"{_word(role)}_security_group_id", f"The group of role {role}, made elsewhere.")
        for role in rules.elsewhere
    ]
    blocks += [
        Block(
            "resource",
            ("openstack_networking_secgroup_v2", _word(group.role)),
            (("name", group.name), ("description", about(group, rules))),
        )
        for group in rules.groups
    ]
    taken: set[str] = set()
    for group in rules.groups:
        here = Expression(f"openstack_networking_secgroup_v2.{_word(group.role)}.id")
        for rule in group.rules:
            for family in rule.families:
                said = _said(rule, family)
                peer: Any = said.pop("remote", None)
                if rule.peer.kind is Kind.ROLE:
                    peer = Expression(
                        f"openstack_networking_secgroup_v2.{_word(rule.peer.name)}.id"
                        if rule.peer.name in rules.plan.receivers
                        else f"var.{_word(rule.peer.name)}_security_group_id"
                    )
                remote = "remote_group_id" if rule.peer.network is None else "remote_ip_prefix"
                blocks.append(
                    Block(
                        "resource",
                        ("openstack_networking_secgroup_rule_v2", _name(rule, family, taken)),
                        (("security_group_id", here), *said.items(), (remote, peer)),
                    )
                )
    text = fill("cloud/terraform.tf.j2", remarks=rules.remarks, blocks=blocks)
    return {"nodeprep-openstack.tf": text}


def heat(rules: CloudRules) -> dict[str, str]:
    """A template of HEAT."""
    resources: dict[str, Any] = {}
    for group in rules.groups:
        properties = {"name": group.name, "description": about(group, rules)}
        resources[_word(group.role)] = {
            "type": "OS::Neutron::SecurityGroup",
            "properties": properties,
        }
    taken = set(resources)
    for group in rules.groups:
        for rule in group.rules:
            for family in rule.families:
                said = {
                    "security_group": {"get_resource": _word(group.role)},
                    **_said(rule, family),
                }
                peer: Any = said.pop("remote", None)
                if rule.peer.kind is Kind.ROLE:
                    word = _word(rule.peer.name)
                    peer = (
                        {"get_resource": word}
                        if rule.peer.name in rules.plan.receivers
                        else {"get_param": f"{word}_security_group_id"}
                    )
                said["remote_group" if rule.peer.network is None else "remote_ip_prefix"] = peer
                resources[_name(rule, family, taken)] = {
                    "type": "OS::Neutron::SecurityGroupRule",
                    "properties": said,
                }
    parameters = {
        f"{_word(role)}_security_group_id": {"type": "string"} for role in rules.elsewhere
    }
    template = {
        "heat_template_version": HEAT_VERSION,
        **({"parameters": parameters} if parameters else {}),
        "resources": resources,
    }
    text = fill("cloud/document.yaml.j2", remarks=rules.remarks, document=template)
    return {"nodeprep-openstack.yaml": text}


def _said(rule: Rule, family: int) -> dict[str, Any]:
    """The properties that Terraform and HEAT call alike; ``remote`` is who, but for roles."""
    made: dict[str, Any] = {
        "description": describe(rule, DESCRIPTION_LENGTH),
        "direction": "ingress",
        "ethertype": f"IPv{family}",
    }
    if rule.protocol is not None:
        made["protocol"] = NAMES.get(rule.protocol, str(rule.protocol))
    if rule.ports is not None:
        made["port_range_min"] = rule.ports[0]
        # For ICMP the second one is the code: none means all of them.
        if rule.protocol not in (1, 58):
            made["port_range_max"] = rule.ports[1]
    if rule.peer.kind is not Kind.ROLE:
        made["remote"] = str(rule.peer)
    return made


def _name(rule: Rule, family: int, taken: set[str]) -> str:
    words = f"{rule.receiver} from {rule.peer} {rule.what} ipv{family}"
    return slug(words, taken, most=200).replace("-", "_")


def about(group: CloudGroup, rules: CloudRules) -> str:
    """The description of a group."""
    return f"nodeprep: Kubernetes role {group.role}, policy {rules.plan.digest}"


def _word(role: str) -> str:
    return role.replace("-", "_")


FORMATS: dict[str, Callable[[CloudRules], dict[str, str]]] = {
    "terraform": terraform,
    "heat": heat,
}

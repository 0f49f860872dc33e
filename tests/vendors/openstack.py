"""`openstack security group` (https://docs.openstack.org/python-openstackclient/latest/cli/)."""

from __future__ import annotations

import argparse
import uuid
from typing import Any

from tests.vendors.store import CloudRefusal, State, fail, serve

WORDS = {
    "logged out": "Missing value auth-url required for auth plugin password",
    "throttled": "HttpException: 429: Client Error for url: http://neutron/v2.0/security-groups, "
    "OverLimit: This request was rate-limited.",
    "lost": "Request to http://neutron/v2.0/security-group-rules timed out",
    "unreached": "Unable to establish connection to http://neutron/v2.0: Max retries exceeded",
    "denied": "ForbiddenException: 403: Client Error, rule:create_security_group_rule is "
    "disallowed by policy (PolicyNotAuthorized) (HTTP 403)",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        fail(f"usage: openstack security group\nopenstack: error: {message}", 2)


def parser() -> argparse.ArgumentParser:
    made = _Parser(prog="openstack", allow_abbrev=False)
    security = made.add_subparsers(required=True).add_parser("security", allow_abbrev=False)
    group = security.add_subparsers(required=True).add_parser("group", allow_abbrev=False)
    verbs = group.add_subparsers(required=True, dest="verb")

    def leaf(parent: Any, name: str, positional: str = "") -> argparse.ArgumentParser:
        one: argparse.ArgumentParser = parent.add_parser(name, allow_abbrev=False)
        if positional:
            one.add_argument(positional)
        if name not in ("delete", "set"):
            one.add_argument("--format", "-f", choices=("json",), required=True)
        return one

    leaf(verbs, "list")
    leaf(verbs, "show", "group")
    leaf(verbs, "create", "group").add_argument("--description")
    leaf(verbs, "set", "group").add_argument("--description")
    rules = verbs.add_parser("rule", allow_abbrev=False).add_subparsers(
        required=True, dest="rule_verb"
    )
    leaf(rules, "list")
    leaf(rules, "delete", "rule")
    one = leaf(rules, "create", "group")
    one.add_argument("--ingress", action="store_true")
    one.add_argument("--ethertype", choices=("IPv4", "IPv6"))
    one.add_argument("--protocol", default="any")
    one.add_argument("--dst-port")
    one.add_argument("--icmp-type", type=int)
    one.add_argument("--description", default="")
    remote = one.add_mutually_exclusive_group()
    remote.add_argument("--remote-ip")
    remote.add_argument("--remote-group")
    return made


def command(state: State, argv: list[str]) -> Any:
    said = parser().parse_args(argv)
    groups = state["groups"]
    if said.verb == "list":
        return [
            {"ID": key, "Name": one["name"], "Description": one["description"],
             "Project": "p1", "Tags": [], "Shared": False}
            for key, one in groups.items()
        ]  # fmt: skip
    if said.verb == "rule":
        return _rule(state, said)
    if said.verb == "create":
        key = str(uuid.uuid4())
        groups[key] = {
            "id": key,
            "name": said.group,
            "description": said.group if said.description is None else said.description,
            "rules": [
                _made(key, {"direction": "egress", "ethertype": family})
                for family in ("IPv4", "IPv6")
            ],
        }
        return groups[key]
    found = groups[_find(groups, said.group)]
    if said.verb == "set":
        found["description"] = said.description
        return None
    return found


def _find(groups: State, word: str) -> str:
    keys = [key for key, one in groups.items() if word in (key, one["name"])]
    if len(keys) != 1:
        many = f"More than one SecurityGroup exists with the name '{word}'."
        raise CloudRefusal(many if keys else f"No SecurityGroup found for {word}")
    return keys[0]


def _made(group: str, said: dict[str, Any]) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id",
         "remote_address_group_id")
    )  # fmt: skip
    common = {"id": str(uuid.uuid4()), "security_group_id": group, "description": ""}
    return {**empty, **common, **said}


def _rule(state: State, said: argparse.Namespace) -> Any:
    groups = state["groups"]
    every = [one for group in groups.values() for one in group["rules"]]
    if said.rule_verb == "list":
        return [{"ID": one["id"], "IP Protocol": one["protocol"]} for one in every]
    if said.rule_verb == "delete":
        if said.rule not in [one["id"] for one in every]:
            raise CloudRefusal(
                f"Failed to delete rule with ID '{said.rule}': No SecurityGroupRule found for "
                f"{said.rule}\n1 of 1 rules failed to delete."
            )
        for group in groups.values():
            group["rules"] = [one for one in group["rules"] if one["id"] != said.rule]
        return None
    key = _find(groups, said.group)
    ports: list[int | None] = [None, None]
    if said.dst_port:
        ports = [int(word) for word in said.dst_port.split(":")]
    elif said.icmp_type is not None:
        ports = [said.icmp_type, None]
    made = _made(
        key,
        {
            "direction": "ingress",
            "ethertype": said.ethertype,
            "protocol": None if said.protocol == "any" else said.protocol,
            "port_range_min": ports[0],
            "port_range_max": ports[1],
            "remote_ip_prefix": said.remote_ip,
            "remote_group_id": said.remote_group and _find(groups, said.remote_group),
            "description": said.description,
        },
    )
    alone = ("id", "description")
    for one in groups[key]["rules"]:
        if all(one[name] == made[name] for name in made if name not in alone):
            raise CloudRefusal(
                "ConflictException: 409: Client Error for url: http://neutron/v2.0/"
                f"security-group-rules, Security group rule already exists. Rule id is {one['id']}."
            )
    groups[key]["rules"].append(made)
    return made


def main() -> None:
    serve({"groups": {}}, WORDS, command)

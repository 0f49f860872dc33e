"""Reading EC2's groups, and writing them step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rules.cloud.document import CloudRules
from rules.cloudapply.api import Ec2
from rules.cloudapply.converge import converge
from rules.cloudapply.failure import CloudError
from rules.cloudapply.live import LiveGroup, State, groups_of
from rules.cloudapply.order import Step
from rules.cloudapply.plan import Plan
from rules.cloudapply.wanted import group_names
from rules.cluster import Role
from rules.errors import UsageError
from rules.render.cloud.aws import ROLE_TAG

# A filter takes at most 200 values (DescribeSecurityGroups in the EC2 API reference).
_MOST_VALUES = 200


def read(ec2: Ec2, rules: CloudRules) -> State:
    """What is there of the groups that the rules may have. Raises CloudError and UsageError."""
    vpc = rules.options.network
    if not vpc:
        raise UsageError("--network must name the VPC of the groups, such as vpc-0123456789abcdef0")
    found = ec2.call("describe_vpcs", VpcIds=[vpc]).get("Vpcs")
    if not found:
        raise CloudError(f"DescribeVpcs: EC2 knows no {vpc} in this region")
    given = {4} | ({6} if found[0].get("Ipv6CidrBlockAssociationSet") else set())
    names = group_names(rules, [role.value for role in Role])
    listed = [
        group
        for part in _parts(names)
        for group in ec2.every(
            "describe_security_groups",
            "SecurityGroups",
            Filters=[_filter("vpc-id", [vpc]), _filter("group-name", part)],
        )
    ]
    ids = [group["GroupId"] for group in listed]
    described = [
        rule
        for part in _parts(ids)
        for rule in ec2.every(
            "describe_security_group_rules",
            "SecurityGroupRules",
            Filters=[_filter("group-id", part)],
        )
    ]
    roles = {name: role for role, name in rules.names.items()}
    groups = groups_of(listed, described, roles)
    return State(groups, _weights(ec2, groups, rules), _carriers(ec2, groups), frozenset(given))


def _filter(name: str, values: Iterable[str]) -> dict[str, Any]:
    return {"Name": name, "Values": list(values)}


def _parts(values: list[str]) -> list[list[str]]:
    return [values[at : at + _MOST_VALUES] for at in range(0, len(values), _MOST_VALUES)]


def _weights(ec2: Ec2, groups: dict[str, LiveGroup], rules: CloudRules) -> dict[str, int]:
    """What --peer says of prefix lists, and what EC2 says: it knows better."""
    weights = {rule.peer.name: rule.peer.weight for rule in rules.rules}
    there = {one.permission.peer for group in groups.values() for one in group.rules}
    lists = sorted(name for name in {*weights, *there} if name.startswith("pl-"))
    weights = {name: weights[name] for name in lists if name in weights}
    if lists:
        for item in ec2.every(
            "describe_managed_prefix_lists",
            "PrefixLists",
            Filters=[_filter("prefix-list-id", lists)],
        ):
            if item.get("MaxEntries"):
                weights[item["PrefixListId"]] = int(item["MaxEntries"])
    return weights


def _carriers(ec2: Ec2, groups: dict[str, LiveGroup]) -> dict[str, frozenset[str]]:
    """Which interfaces carry each group."""
    ids = {group.id: name for name, group in groups.items()}
    found: dict[str, set[str]] = {}
    if ids:
        for item in ec2.every(
            "describe_network_interfaces",
            "NetworkInterfaces",
            Filters=[_filter("group-id", ids)],
        ):
            for group in item.get("Groups") or ():
                if group["GroupId"] in ids:
                    found.setdefault(ids[group["GroupId"]], set()).add(item["NetworkInterfaceId"])
    return {name: frozenset(interfaces) for name, interfaces in found.items()}


class Aws:
    """EC2 as what ``rules.cloudapply.plan`` drives."""

    title = "EC2"

    def __init__(self, ec2: Ec2, rules: CloudRules) -> None:
        self._ec2, self._rules = ec2, rules

    def read(self) -> State:
        """What is there of the groups that the rules may have."""
        return read(self._ec2, self._rules)

    def plan(self, state: State) -> Plan:
        """What of it differs, in the order of the steps."""
        return converge(self._rules, state)

    def writer(self, state: State) -> Callable[[Step], None]:
        """What carries out one step."""
        return _Writer(self._ec2, self._rules, state).carry_out


class _Writer:
    """Does the steps of one plan. It knows the ids of groups, also of those that it made."""

    def __init__(self, ec2: Ec2, rules: CloudRules, state: State) -> None:
        self._ec2, self._rules = ec2, rules
        self._ids = {name: group.id for name, group in state.groups.items()}

    def carry_out(self, step: Step) -> None:
        if step.kind == "create":
            self._create(step)
            return
        group = self._ids[step.group.name]
        if step.kind == "tag":
            self._ec2.call("create_tags", Resources=[group], Tags=_pairs(step.tags))
            return
        way = "egress" if step.egress else "ingress"
        if step.kind == "revoke":
            ids = [one.id for one in step.rules]
            self._ec2.call(f"revoke_security_group_{way}", GroupId=group, SecurityGroupRuleIds=ids)
            return
        names = self._rules.names
        roles = {role: self._ids[name] for role, name in names.items() if name in self._ids}
        permissions = [one.request(roles, text) for one, text in step.permissions.items()]
        if step.kind == "authorize":
            self._ec2.call(
                f"authorize_security_group_{way}",
                GroupId=group,
                IpPermissions=permissions,
                TagSpecifications=[_tagged("security-group-rule", {ROLE_TAG: step.group.role})],
            )
        else:
            self._ec2.call(
                f"update_security_group_rule_descriptions_{way}",
                GroupId=group,
                IpPermissions=permissions,
            )

    def _create(self, step: Step) -> None:
        group = step.group
        made = self._ec2.call(
            "create_security_group",
            GroupName=group.name,
            Description=group.description,
            VpcId=self._rules.options.network,
            TagSpecifications=[_tagged("security-group", group.tags)],
        )
        self._ids[group.name] = made["GroupId"]
        self._ec2.wait_for_group(made["GroupId"])


def _pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": text} for key, text in tags.items()]


def _tagged(kind: str, tags: dict[str, str]) -> dict[str, Any]:
    return {"ResourceType": kind, "Tags": _pairs(tags)}

"""A plan's rules as the permissions that EC2 is to hold, each in one group of its role. Pure.

A permission that is in one of the role's groups stays there. A new one goes where ``cloud render``
puts it if there is room, else into the first group with room, else into one more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rules.cloud.aws import QUOTAS
from rules.cloud.document import CloudGroup, CloudRules
from rules.cloud.rule import Rule
from rules.cloudapply.live import ROLE_MARK, LiveGroup, Permission, State, weight
from rules.cloudapply.refused import Refused
from rules.record import field, record
from rules.render.cloud.aws import about, egress, permission, tags_of

FAMILIES = (4, 6)
# The product of the quotas of groups an interface and of rules a group
# (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
MOST_PRODUCT = 1000


@record
class WantedGroup:
    """One group as it is to be. ``permissions``: with their descriptions."""

    name: str
    role: str
    number: int
    description: str
    tags: dict[str, str] = field(default_factory=dict)
    permissions: dict[Permission, str] = field(default_factory=dict)


def group_names(rules: CloudRules, roles: Iterable[str]) -> list[str]:
    """Every name that a group of some roles may have."""
    most = rules.options.quota("groups", QUOTAS["groups"])
    return [_name(rules, role, number) for role in roles for number in range(1, most + 1)]


def _name(rules: CloudRules, role: str, number: int) -> str:
    return f"{rules.options.name}-{role}" + (f"-{number}" if number > 1 else "")


def wanted_groups(
    rules: CloudRules, state: State, *, beside: bool = False
) -> tuple[WantedGroup, ...]:
    """The groups of all receivers. Raises Refused where the quotas do not hold them.

    ``beside``: new rules leave room for the old ones that they replace.
    """
    most = rules.options.quota("rules", QUOTAS["rules"])
    limit = rules.options.quota("groups", QUOTAS["groups"])
    if most * limit > MOST_PRODUCT:
        raise Refused(
            f"{limit} groups of {most} rules are {most * limit}, and AWS raises the two quotas to "
            f"a product of {MOST_PRODUCT} at most: say what your account has with --quota"
        )
    found: list[WantedGroup] = []
    for role in rules.plan.receivers:
        found += _role_groups(rules, role, state, most, limit, beside)
    return tuple(found)


def _role_groups(
    rules: CloudRules, role: str, state: State, most: int, limit: int, beside: bool
) -> list[WantedGroup]:
    names = [_name(rules, role, number) for number in range(1, limit + 1)]
    there = {name: state.groups[name] for name in names if name in state.groups}
    rendered = [group for group in rules.groups if group.role == role]
    wanted = {
        permission_of(rule, rules): (group.name, _description(rule, rules))
        for group in rendered
        for rule in group.rules
    }
    places = {
        one.permission: name for name, group in there.items() for one in group.rules
    }  # fmt: skip
    used = {name: _others(group, wanted, state, beside) for name, group in there.items()}
    content: dict[str, dict[Permission, str]] = {
        name: {} for name in (*there, *(group.name for group in rendered))
    }
    for one, (_, text) in wanted.items():
        if one in places:
            content[places[one]][one] = text
            _add(used.setdefault(places[one], {}), one, state)
    for one, (name, text) in wanted.items():
        if one in places:
            continue
        choices = dict.fromkeys((name, *content, *names))
        place = next((n for n in choices if _fits(used.get(n, {}), one, state, most)), None)
        if place is None:
            raise Refused(_too_many(rules, role, used, most, limit))
        content.setdefault(place, {})[one] = text
        _add(used.setdefault(place, {}), one, state)
    made = []
    for name in sorted(content, key=names.index):
        number = names.index(name) + 1
        group = CloudGroup(name, role, number, ())
        permissions = content[name]
        for family in rules.plan.families:
            permissions |= {_everywhere(family): "to anywhere"}
        tags = tags_of(rules, group)
        made.append(WantedGroup(name, role, number, about(group), tags, permissions))
    return made


def permission_of(rule: Rule, rules: CloudRules) -> Permission:
    """A rule of the plan as EC2 holds it."""
    made = permission(rule, rules, "GroupName")
    peer = f"{ROLE_MARK}{rule.peer}" if rule.peer.kind.value == "role" else str(rule.peer)
    first, last = made.get("FromPort", -1), made.get("ToPort", -1)
    return Permission(False, made["IpProtocol"], first, last, peer)


def _description(rule: Rule, rules: CloudRules) -> str:
    made = permission(rule, rules, "GroupName")
    (sender,) = next(value for value in made.values() if isinstance(value, list))
    return str(sender["Description"])


def _everywhere(family: int) -> Permission:
    made = egress(family)
    peer = made["IpRanges"][0]["CidrIp"] if family == 4 else made["Ipv6Ranges"][0]["CidrIpv6"]
    return Permission(True, made["IpProtocol"], -1, -1, peer)


def _others(
    group: LiveGroup, wanted: Mapping[Permission, object], state: State, beside: bool
) -> dict[int, int]:
    """What rules that are not wanted cost in our group: those of others, and old ones."""
    used: dict[int, int] = {}
    for one in group.rules:
        stays = beside or not one.own
        if stays and not one.permission.egress and one.permission not in wanted:
            _add(used, one.permission, state)
    return used


def _add(used: dict[int, int], one: Permission, state: State) -> None:
    for family in FAMILIES:
        used[family] = used.get(family, 0) + weight(one, family, state.weights)


def _fits(used: Mapping[int, int], one: Permission, state: State, most: int) -> bool:
    return all(
        used.get(family, 0) + weight(one, family, state.weights) <= most for family in FAMILIES
    )


def _too_many(
    rules: CloudRules, role: str, used: Mapping[str, Mapping[int, int]], most: int, limit: int
) -> str:
    costs = "; ".join(
        f"{name} {counts.get(4, 0)} IPv4 and {counts.get(6, 0)} IPv6"
        for name, counts in used.items()
    )
    return (
        f"{role} needs more inbound rules than {limit} groups of {most} hold with what others put "
        f"into them ({costs}): take rules of others out, name fewer sources, or say with --quota "
        "what your account has"
    )

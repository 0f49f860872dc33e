"""What Amazon's security groups can say, what they cost, and how a role's rules are split. Pure.

Quotas: https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html (60 inbound rules a
group, IPv4 and IPv6 counted apart; 5 groups an interface) and
https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html#security-group-size
(a reference to a group is one rule of each family, a prefix list counts its most entries).
"""

from __future__ import annotations

import re

from rules.cloud.abilities import Abilities
from rules.cloud.document import CloudGroup, CloudOptions, CloudRules, Usage
from rules.cloud.peer import Kind, Peer, named_peer
from rules.cloud.rule import Rule
from rules.errors import UsageError

# Only tcp, udp, icmp and icmpv6 have ports or types: "authorizing -1 or a protocol number other
# than these allows traffic on all ports" (IpPermission in the EC2 API reference).
ABILITIES = Abilities("AWS security groups", ported=frozenset({6, 17}))
TITLE = "Amazon Web Services: security groups"
# Whether a document is of all roles or of none.
WHOLE = False
QUOTAS = {"rules": 60, "groups": 5}
# Names: up to 255 of a set of characters, not beginning with sg- (CreateSecurityGroup in the EC2
# API reference). Ours leaves room for the role and takes only what resource names take too.
_NAME = re.compile(r"(?!sg-)[A-Za-z][A-Za-z0-9-]{0,99}")
_GROUP_ID = re.compile(r"sg-[0-9a-f]{8,17}")
_PREFIX_LIST = re.compile(r"(pl-[0-9a-f]{8,17})(?::([1-9][0-9]{0,3}))?")
_VPC_ID = re.compile(r"vpc-[0-9a-f]{8,17}")
_TAG = re.compile(r"[\w .:/=+@-]*")
DESCRIPTION_LENGTH = 255


def check(options: CloudOptions) -> None:
    """Raises UsageError for a name, VPC or tag that the EC2 API would not take."""
    if not _NAME.fullmatch(options.name):
        raise UsageError(
            f"--name {options.name!r} cannot begin the name of a security group: it takes letters, "
            "digits and hyphens, begins with a letter and not with sg-, and has at most 100"
        )
    if options.network and not _VPC_ID.fullmatch(options.network):
        raise UsageError(
            f"--network takes the id of a VPC (vpc-0123456789abcdef0), not {options.network!r}"
        )
    if options.accounts:
        raise UsageError("service accounts are Google's; leave out --service-account")
    if options.scope or options.location:
        raise UsageError(
            "security groups of AWS are of a VPC: --scope and --location are not theirs"
        )
    for key, value in options.tags:
        wrong = key.lower().startswith("aws:") or not 0 < len(key) <= 128 or len(value) > 256
        if wrong or not _TAG.fullmatch(key) or not _TAG.fullmatch(value):
            raise UsageError(
                f"--tag {key!r}={value!r} is none that AWS takes: letters, digits, spaces and "
                "_ . : / = + - @; the key has 128 at most and no aws: in front, the value 256"
            )


def named(word: str) -> tuple[Peer, ...]:
    """``sg-ID`` or ``pl-ID[:MOST-ENTRIES]`` as a sender. Raises UsageError for anything else."""
    if _GROUP_ID.fullmatch(word):
        return (named_peer(word),)
    if match := _PREFIX_LIST.fullmatch(word):
        if match[2] is None:
            raise UsageError(
                f"how many entries {match[1]} may have is not known, and as many rules it counts: "
                f"write {match[1]}:NUMBER"
            )
        return (named_peer(match[1], int(match[2])),)
    raise UsageError(f"AWS has security groups (sg-...) and prefix lists (pl-...:N), not {word!r}")


def weight(rule: Rule, family: int) -> int:
    """How many rules of a family AWS counts a rule for."""
    if rule.peer.kind is Kind.NETWORK:
        return int(rule.peer.family == family)
    return rule.peer.weight


def arrange(
    rules: tuple[Rule, ...], receivers: tuple[str, ...], options: CloudOptions
) -> tuple[tuple[CloudGroup, ...], tuple[Usage, ...]]:
    """The groups of each role, none with more rules than its quota, and how much they use.

    Raises UsageError, with the numbers, where a role needs more groups than an interface carries.
    """
    most = options.quota("rules", QUOTAS["rules"])
    groups: list[CloudGroup] = []
    for role in receivers:
        parts = _split([rule for rule in rules if rule.receiver == role], most)
        limit = options.quota("groups", QUOTAS["groups"])
        if len(parts) > limit:
            counts = " and ".join(
                f"{sum(weight(rule, family) for part in parts for rule in part)} IPv{family}"
                for family in (4, 6)
            )
            raise UsageError(
                f"{role} needs {counts} inbound rules, so {len(parts)} security groups of {most} "
                f"rules each; an interface carries {limit}. Name fewer or wider sources, or, where "
                "AWS has raised the quotas, --quota rules=N --quota groups=N"
            )
        for number, part in enumerate(parts, 1):
            name = f"{options.name}-{role}" + (f"-{number}" if number > 1 else "")
            groups.append(CloudGroup(name, role, number, tuple(part)))
    return tuple(groups), tuple(
        Usage(group.name, f"inbound IPv{family} rules", used, most)
        for group in groups
        for family in (4, 6)
        if (used := sum(weight(rule, family) for rule in group.rules))
    )


def _split(rules: list[Rule], most: int) -> list[list[Rule]]:
    """The rules in order, a new group where the next one would not fit; one group at least."""
    parts: list[list[Rule]] = [[]]
    used = {4: 0, 6: 0}
    for rule in rules:
        weights = {family: weight(rule, family) for family in used}
        if max(weights.values()) > most:
            raise UsageError(
                f"{rule.label}: {rule.peer} counts as {max(weights.values())} rules, and a "
                f"security group has {most}"
            )
        if any(used[family] + weights[family] > most for family in used):
            parts.append([])
            used = {4: 0, 6: 0}
        parts[-1].append(rule)
        used = {family: used[family] + weights[family] for family in used}
    return parts


def roles(rules: CloudRules) -> dict[str, str]:
    """What a parser calls our groups -> their roles, those that another document makes too."""
    named = {group.name: group.role for group in rules.groups}
    found = {name: role for role, name in rules.names.items()} | named
    for role in rules.names:
        found[f"var.{role.replace('-', '_')}_security_group_id"] = role
        found[f"{camel(role)}SecurityGroupId"] = role
    return found


def camel(words: str) -> str:
    """Words with hyphens or underscores as CloudFormation writes them: ``MultiMaster``."""
    return "".join(part.capitalize() for part in re.split("[-_]", words))

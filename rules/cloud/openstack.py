"""What Neutron's security groups can say, and what they cost. Pure.

Sources: https://docs.openstack.org/api-ref/network/v2/ (security group rules) and
https://docs.openstack.org/neutron/latest/configuration/neutron.html#quotas (10 groups and 100 rules
a project).
"""

from __future__ import annotations

import re

from rules.cloud.abilities import Abilities
from rules.cloud.document import CloudGroup, CloudOptions, CloudRules, Usage
from rules.cloud.peer import Peer, named_peer
from rules.cloud.rule import Rule
from rules.errors import UsageError

# A rule has an ether type, so a reference to a group is of one family; ports of what has some, and
# types of ICMP; no destination.
ABILITIES = Abilities(
    "OpenStack security groups", ported=frozenset({6, 17, 33, 132}), family_references=True
)
TITLE = "OpenStack: Neutron security groups"
# Whether a document is of all roles or of none.
WHOLE = False
# Of a project.
QUOTAS = {"groups": 10, "rules": 100}
# What Neutron puts into a new group: everything out, by IPv4 and by IPv6.
DEFAULT_RULES = 2
DESCRIPTION_LENGTH = 255
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
_GROUP_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def check(options: CloudOptions) -> None:
    """Raises UsageError for a name that we would not write, and for what a group does not have."""
    if not _NAME.fullmatch(options.name):
        raise UsageError(
            f"--name {options.name!r} cannot begin the name of a security group: it takes letters, "
            "digits and hyphens, begins with a letter, and has at most 100"
        )
    given = (options.network, options.scope, options.location, options.tags, options.accounts)
    flags = ("--network", "--scope", "--location", "--tag", "--service-account")
    for value, flag in zip(given, flags, strict=True):
        if value:
            raise UsageError(f"security groups of OpenStack have no place for {flag}; leave it out")


def named(word: str) -> tuple[Peer, ...]:
    """The id of another security group. Raises UsageError for anything else."""
    if _GROUP_ID.fullmatch(word):
        return (named_peer(word),)
    raise UsageError(f"OpenStack has security groups, named by their id, not {word!r}")


def arrange(
    rules: tuple[Rule, ...], receivers: tuple[str, ...], options: CloudOptions
) -> tuple[tuple[CloudGroup, ...], tuple[Usage, ...]]:
    """One group for each role, and how many groups and rules of the project they take.

    Raises UsageError, with the numbers, where they are more than a quota.
    """
    groups = tuple(
        CloudGroup(f"{options.name}-{role}", role, 1, tuple(r for r in rules if r.receiver == role))
        for role in receivers
    )
    used = {
        "groups": len(groups),
        "rules": sum(len(group.rules) + DEFAULT_RULES for group in groups),
    }
    most = {name: options.quota(name, number) for name, number in QUOTAS.items()}
    for name, number in used.items():
        if number > most[name]:
            raise UsageError(
                f"{number} security {name} are needed (those that Neutron puts into a new group "
                f"included), and a project has {most[name]}; name fewer or wider sources, or, "
                f"where your cloud has raised the quota, --quota {name}=N"
            )
    return groups, (
        Usage("the project", "security groups", used["groups"], most["groups"]),
        Usage("the project", "security group rules", used["rules"], most["rules"]),
    )


def roles(rules: CloudRules) -> dict[str, str]:
    """What a parser calls our groups -> their roles, those that another document makes too."""
    found = {name: role for role, name in rules.names.items()}
    for role in rules.names:
        found[f"var.{role.replace('-', '_')}_security_group_id"] = role
        found[f"{role.replace('-', '_')}_security_group_id"] = role
    return found

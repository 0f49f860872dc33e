"""What Azure's network security groups can say, and what they cost. Pure.

Sources: https://learn.microsoft.com/en-us/azure/virtual-network/network-security-groups-overview,
https://learn.microsoft.com/en-us/azure/virtual-network/virtual-networks-faq (which protocols a
virtual network carries), https://learn.microsoft.com/en-us/azure/virtual-network/ip-services/
ipv6-overview#limitations (no ICMPv6 in rules) and
https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/azure-subscription-service-limits.
"""

from __future__ import annotations

import re

from rules.cloud.abilities import Abilities
from rules.cloud.bundle import Bundle, bundle, count
from rules.cloud.document import CloudGroup, CloudOptions, CloudRules, Usage
from rules.cloud.peer import Kind, Peer, named_peer
from rules.cloud.rule import Rule
from rules.errors import UsageError

_NOT_CARRIED = "Azure's virtual networks drop it; they carry TCP, UDP, ICMP, ESP and AH"
# A rule names Tcp, Udp, Icmp, Esp, Ah or all; no types of ICMP; of what an application security
# group holds, both families.
ABILITIES = Abilities(
    "Azure network security groups",
    ported=frozenset({6, 17}),
    protocols=frozenset({1, 6, 17, 50, 51}),
    icmp_types=False,
    destinations=True,
    refused=(
        *(((family, number), _NOT_CARRIED) for family in (4, 6) for number in (4, 41, 47, 112)),
        ((6, 58), "network security groups do not support ICMPv6"),
    ),
)
TITLE = "Microsoft Azure: network security groups"
# Whether a document is of all roles or of none.
WHOLE = False
# Rules of a group; application security groups and addresses on one side of a rule.
QUOTAS = {"rules": 1000, "asgs": 10, "addresses": 4000}
FIRST_PRIORITY, LAST_PRIORITY = 100, 4096
DESCRIPTION_LENGTH = 140
# A group's name has up to 80 characters, begins with a letter or digit and ends with one or _.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,58}[A-Za-z0-9_])?")
_RESOURCE_GROUP = re.compile(r"[\w()-](?:[\w.()-]{0,88}[\w()-])?", re.ASCII)
_LOCATION = re.compile(r"[a-z0-9]{1,40}")
_SERVICE_TAG = re.compile(r"[A-Z][A-Za-z0-9]{1,60}(?:\.[A-Za-z0-9]{1,60})?")
_ASG_ID = re.compile(
    r"/subscriptions/[0-9a-fA-F-]{36}/resourceGroups/[\w.()-]{1,90}/providers/Microsoft\.Network/"
    r"applicationSecurityGroups/[\w.-]{1,80}",
    re.ASCII,
)


def check(options: CloudOptions) -> None:
    """Raises UsageError for a name, resource group, region or tag that Azure would not take."""
    if not _NAME.fullmatch(options.name):
        raise UsageError(
            f"--name {options.name!r} cannot begin the name of a network security group: it takes "
            "letters, digits, dots, hyphens and underscores, and has at most 60"
        )
    if options.accounts:
        raise UsageError("service accounts are Google's; leave out --service-account")
    if options.network:
        raise UsageError(
            "network security groups belong to no virtual network; leave out --network"
        )
    if options.scope and not _RESOURCE_GROUP.fullmatch(options.scope):
        raise UsageError(f"--scope takes the name of a resource group, not {options.scope!r}")
    if options.location and not _LOCATION.fullmatch(options.location):
        raise UsageError(f"--location takes a region such as westeurope, not {options.location!r}")
    for key, value in options.tags:
        if not 0 < len(key) <= 512 or len(value) > 256 or set(key) & set("<>%&\\?/"):
            raise UsageError(
                f"--tag {key!r}={value!r} is none that Azure takes: the key has up to 512 "
                "characters and none of < > % & \\ ? /, the value up to 256"
            )
        if not (key + value).isprintable():
            raise UsageError(f"--tag {key!r}={value!r} has characters that cannot be shown")


def named(word: str) -> tuple[Peer, ...]:
    """A service tag such as ``AzureLoadBalancer``, or the id of an application security group.

    Raises UsageError for anything else.
    """
    if _SERVICE_TAG.fullmatch(word) or _ASG_ID.fullmatch(word):
        return (named_peer(word),)
    raise UsageError(
        "Azure has service tags (AzureLoadBalancer) and ids of application security groups, not "
        f"{word!r}"
    )


def is_tag(peer: Peer) -> bool:
    """Whether a sender is a service tag."""
    return peer.kind is Kind.NAMED and not peer.name.startswith("/")


def _bundles(rules: tuple[Rule, ...], options: CloudOptions) -> tuple[Bundle, ...]:
    """The security rules of a group: one protocol, and one kind of sender or one service tag."""

    def made(references: bool, quota: str) -> tuple[Bundle, ...]:
        return bundle(
            (rule for rule in rules if (rule.peer.network is None) is references),
            lambda rule: (rule.protocol, rule.peer.name if is_tag(rule.peer) else ""),
            most_peers=min(options.quota(quota, QUOTAS[quota]), QUOTAS[quota]),
        )

    return (*made(True, "asgs"), *made(False, "addresses"))


def arrange(
    rules: tuple[Rule, ...], receivers: tuple[str, ...], options: CloudOptions
) -> tuple[tuple[CloudGroup, ...], tuple[Usage, ...]]:
    """One group for each role, and how many of its rules they use.

    Raises UsageError, with the numbers, where one has more than its quota.
    """
    most = options.quota("rules", QUOTAS["rules"])
    groups: list[CloudGroup] = []
    usage: list[Usage] = []
    for role in receivers:
        mine = tuple(rule for rule in rules if rule.receiver == role)
        group = CloudGroup(f"{options.name}-{role}", role, 1, mine, _bundles(mine, options))
        # The one that denies the rest is one too.
        used = 1 + count(group.bundles, mine)
        if used > most:
            raise UsageError(
                f"{role} needs {used} security rules, and a network security group has {most}; "
                "name fewer or wider sources"
            )
        groups.append(group)
        usage.append(Usage(group.name, "security rules", used, most))
    return tuple(groups), tuple(usage)


def roles(rules: CloudRules) -> dict[str, str]:
    """What a parser calls our groups -> their roles, those that another document makes too."""
    found = {name: role for role, name in rules.names.items()}
    for role in rules.names:
        found[f"var.{role.replace('-', '_')}_application_security_group_id"] = role
    return found

"""Cluster API's provider for AWS: ingress rules of its own security groups. Pure.

Source: the API types of the provider (IngressRule, CNIIngressRule, NetworkSpec),
https://github.com/kubernetes-sigs/cluster-api-provider-aws/tree/main/api/v1beta2.
"""

from __future__ import annotations

from rules.cloud import aws, capi
from rules.cloud.abilities import Abilities
from rules.cloud.document import CloudGroup, CloudOptions, CloudRules, Usage
from rules.cloud.peer import Peer
from rules.cloud.rule import Rule
from rules.errors import UsageError

# The words for a protocol are an enumeration, and machines of the control plane carry the nodes'
# group too.
ABILITIES = Abilities(
    "the ingress rules of Cluster API's provider for AWS",
    ported=frozenset({6, 17}),
    protocols=frozenset({1, 4, 6, 17, 50, 58}),
    carried=(("worker", capi.MASTERS),),
)
TITLE = "Cluster API: AWSCluster"
QUOTAS = {"rules": aws.QUOTAS["rules"]}
NAMES = ("controlplane", "node")
WHOLE = True


def check(options: CloudOptions) -> None:
    """Raises UsageError for a name that is no cluster's."""
    capi.check_options(options)


def named(word: str) -> tuple[Peer, ...]:
    """``sg-ID`` as a sender. Raises UsageError for anything else."""
    if not word.startswith("sg-"):
        raise UsageError(f"an ingress rule names security groups (sg-...), not {word!r}")
    return aws.named(word)


def arrange(
    rules: tuple[Rule, ...], receivers: tuple[str, ...], options: CloudOptions
) -> tuple[tuple[CloudGroup, ...], tuple[Usage, ...]]:
    """Both groups, and how many of EC2's rules they take; the provider has some more of its own.

    Raises UsageError, with the numbers, where a group would have more than its quota.
    """
    groups = capi.split(rules, receivers, NAMES)
    most = options.quota("rules", QUOTAS["rules"])
    usage = tuple(
        Usage(group.name, f"inbound IPv{family} rules", used, most)
        for group in groups
        for family in (4, 6)
        if (used := sum(aws.weight(rule, family) for rule in group.rules))
    )
    for item in usage:
        if item.used > most:
            raise UsageError(f"{item}; name fewer or wider sources, or --quota rules=N")
    return groups, usage


def roles(rules: CloudRules) -> dict[str, str]:
    """What a parser calls the groups -> their roles."""
    return {group.name: group.role for group in rules.groups}

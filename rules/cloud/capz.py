"""Cluster API's provider for Azure: security rules of the subnets of an AzureCluster. Pure.

Source: the API types of the provider (SecurityRule, SubnetSpec),
https://github.com/kubernetes-sigs/cluster-api-provider-azure/blob/main/api/v1beta1/types.go.
"""

from __future__ import annotations

from rules.cloud import azure, capi
from rules.cloud.abilities import Abilities
from rules.cloud.bundle import Bundle, bundle, count
from rules.cloud.document import CloudGroup, CloudOptions, CloudRules, Usage
from rules.cloud.peer import Peer
from rules.cloud.rule import Rule
from rules.errors import UsageError

# A rule has one of Tcp, Udp, Icmp and all, and no application security groups.
ABILITIES = Abilities(
    "the security rules of Cluster API's provider for Azure",
    ported=frozenset({6, 17}),
    protocols=frozenset({1, 6, 17}),
    icmp_types=False,
    destinations=True,
    refused=azure.ABILITIES.refused,
    references=False,
)
TITLE = "Cluster API: AzureCluster"
QUOTAS = {"rules": 1000, "addresses": 4000}
WHOLE = True
# Subnets of a cluster are for one of these.
NAMES = ("control-plane", "node")


def check(options: CloudOptions) -> None:
    """Raises UsageError for a name that is no cluster's."""
    capi.check_options(options)


def named(word: str) -> tuple[Peer, ...]:
    """A service tag such as ``AzureLoadBalancer``. Raises UsageError for anything else."""
    peers = azure.named(word)
    if not azure.is_tag(peers[0]):
        raise UsageError(f"a security rule names service tags (AzureLoadBalancer), not {word!r}")
    return peers


def _bundles(rules: tuple[Rule, ...], options: CloudOptions) -> tuple[Bundle, ...]:
    """The security rules of a group: one protocol, one range of ports, one service tag."""
    most = min(options.quota("addresses", QUOTAS["addresses"]), QUOTAS["addresses"])
    return bundle(
        rules,
        lambda rule: (rule.protocol, rule.ports, "" if rule.peer.network else rule.peer.name),
        most_peers=most,
    )


def arrange(
    rules: tuple[Rule, ...], receivers: tuple[str, ...], options: CloudOptions
) -> tuple[tuple[CloudGroup, ...], tuple[Usage, ...]]:
    """Both groups, and how many of their rules they use, the one that denies the rest included.

    Raises UsageError, with the numbers, where one has more than its quota.
    """
    groups = tuple(
        group.bundled(_bundles(group.rules, options))
        for group in capi.split(rules, receivers, NAMES)
    )
    most = options.quota("rules", QUOTAS["rules"])
    usage = tuple(
        Usage(group.name, "security rules", 1 + count(group.bundles, group.rules), most)
        for group in groups
    )
    for item in usage:
        if item.used > most:
            raise UsageError(f"{item}; name fewer or wider sources")
    return groups, usage


def roles(rules: CloudRules) -> dict[str, str]:
    """What a parser calls the groups -> their roles."""
    return {group.name: group.role for group in rules.groups}

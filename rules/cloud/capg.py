"""Cluster API's provider for Google: firewall rules of a GCPCluster. Pure.

Source: the API types of the provider (FirewallSpec, FirewallRule),
https://github.com/kubernetes-sigs/cluster-api-provider-gcp/blob/main/api/v1beta1/types.go.
"""

from __future__ import annotations

from rules.cloud import capi, gcp
from rules.cloud.abilities import Abilities
from rules.cloud.bundle import Bundle, bundle
from rules.cloud.document import CloudGroup, CloudOptions, CloudRules, Usage
from rules.cloud.peer import Peer
from rules.cloud.rule import Rule
from rules.errors import UsageError

# The words for a protocol are an enumeration without one for all; rules for what comes in have no
# destination.
ABILITIES = Abilities(
    "the firewall rules of Cluster API's provider for Google",
    ported=frozenset({6, 17, 132}),
    protocols=frozenset({1, 4, 6, 17, 50, 51, 132}),
    icmp_types=False,
    everything=False,
)
TITLE = "Cluster API: GCPCluster"
# Rules of a cluster and ranges of a rule (MaxItems of the types).
QUOTAS = {"rules": 50, "ranges": 1024}
WHOLE = True


def names(options: CloudOptions) -> tuple[str, str]:
    """The network tags that the provider gives its machines."""
    return f"{options.name}-control-plane", f"{options.name}-node"


def check(options: CloudOptions) -> None:
    """Raises UsageError for a name that is no cluster's."""
    capi.check_options(options)


def named(word: str) -> tuple[Peer, ...]:
    """``proxy`` or ``passthrough`` (Google's health checkers), or a network tag of others."""
    return gcp.named(word)


def _bundles(rules: tuple[Rule, ...], options: CloudOptions) -> tuple[Bundle, ...]:
    """The firewall rules of a group."""
    most = min(options.quota("ranges", QUOTAS["ranges"]), QUOTAS["ranges"])
    return bundle(rules, lambda rule: None, most_peers=most)


def arrange(
    rules: tuple[Rule, ...], receivers: tuple[str, ...], options: CloudOptions
) -> tuple[tuple[CloudGroup, ...], tuple[Usage, ...]]:
    """Both groups, and how many rules of the cluster they take.

    Raises UsageError, with the numbers, where they are more than the provider takes.
    """
    groups = tuple(
        group.bundled(_bundles(group.rules, options))
        for group in capi.split(rules, receivers, names(options))
    )
    used = sum(len(group.bundles) for group in groups)
    most = options.quota("rules", QUOTAS["rules"])
    if used > most:
        raise UsageError(f"{used} firewall rules are needed, and a GCPCluster takes {most}")
    return groups, (Usage("the cluster", "firewall rules", used, most),)


def roles(rules: CloudRules) -> dict[str, str]:
    """What a parser calls the groups, network tags, -> their roles."""
    return {group.name: group.role for group in rules.groups}

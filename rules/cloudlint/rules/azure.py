"""What Azure refuses of network security groups, or takes otherwise than it looks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.cloud.azure import DESCRIPTION_LENGTH, FIRST_PRIORITY, LAST_PRIORITY, QUOTAS
from rules.cloudlint.model import ERROR, WARNING, Document, Group, Place, network, whole
from rules.cloudlint.registry import lint

_OVERVIEW = "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview"
_LIMITS = (
    "https://learn.microsoft.com/azure/azure-resource-manager/management/"
    "azure-subscription-service-limits"
)
_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,78}\w)?", re.ASCII)


@lint("azure-name", "azure", ERROR, "A name that Azure refuses", _OVERVIEW)
def name(document: Document) -> Iterator[Place]:
    """Up to 80 word characters, dots and hyphens, once in a group."""
    for group in document.groups:
        seen: set[str] = set()
        for where, text in [(group.where, group.name), *((r.where, r.name) for r in group.rules)]:
            if text is not None and not _NAME.fullmatch(text):
                yield where, f"{text[:100]!r} is no name of Azure's"
        for rule in group.rules:
            if rule.name is not None and rule.name.lower() in seen:
                yield rule.where, f"two rules of the group are called {rule.name}"
            seen.add((rule.name or "").lower())


@lint("azure-description", "azure", ERROR, "A description that Azure refuses", _OVERVIEW)
def description(document: Document) -> Iterator[Place]:
    """Up to 140 characters."""
    for rule in document.rules:
        length = len(rule.description or "")
        if length > DESCRIPTION_LENGTH:
            yield rule.where, f"its description has {length} characters of {DESCRIPTION_LENGTH}"


@lint("azure-priority", "azure", ERROR, "A priority that there is not", _OVERVIEW)
def priority(document: Document) -> Iterator[Place]:
    """100-4096."""
    for rule in document.rules:
        number = whole(rule.priority)
        if rule.priority is None:
            continue
        if number is None or not FIRST_PRIORITY <= number <= LAST_PRIORITY:
            yield rule.where, f"{rule.priority!r} is not {FIRST_PRIORITY}-{LAST_PRIORITY}"


@lint("azure-priority-twice", "azure", ERROR, "One priority twice", _OVERVIEW)
def priority_twice(document: Document) -> Iterator[Place]:
    """Each direction of a group has a priority once."""
    for group in document.groups:
        seen: dict[tuple[bool, int], str] = {}
        for rule in group.rules:
            number = whole(rule.priority)
            if number is None:
                continue
            key = (rule.egress, number)
            if key in seen:
                yield rule.where, f"{seen[key]} has priority {number} too"
            seen.setdefault(key, rule.where)


@lint("azure-mixed-families", "azure", ERROR, "IPv4 and IPv6 in one rule", _OVERVIEW)
def mixed_families(document: Document) -> Iterator[Place]:
    """Prefixes of a rule are all of one family."""
    for rule in document.rules:
        found = [network(text) for text in (*rule.texts, *rule.destinations)]
        if len({one.version for one in found if one is not None}) > 1:
            yield rule.where, "its prefixes are of IPv4 and of IPv6"


@lint("azure-mixed-sources", "azure", ERROR, "Groups and prefixes in one rule", _OVERVIEW)
def mixed_sources(document: Document) -> Iterator[Place]:
    """Its source is application security groups, or prefixes and tags."""
    for rule in document.rules:
        kinds = {kind for kind, _ in rule.sources}
        if "group" in kinds and len(kinds) > 1:
            yield rule.where, "it names application security groups and prefixes"


@lint("azure-vnet-inbound", "azure", WARNING, "AllowVnetInBound left standing", _OVERVIEW)
def vnet_inbound(document: Document) -> Iterator[Place]:
    """By default whatever is in the network, or in a peered one, reaches every port."""
    for group in document.groups:
        if group.here and not _denies_the_rest(group):
            yield (
                group.where,
                "no rule denies the rest, so AllowVnetInBound lets in the virtual network and "
                "its peers; deny * to * last",
            )


def _denies_the_rest(group: Group) -> bool:
    return any(
        rule.deny
        and not rule.egress
        and rule.every_protocol
        and not rule.ports
        and not rule.destinations
        and {text for _, text in rule.sources} & {"*", "VirtualNetwork", "0.0.0.0/0"}
        for rule in group.rules
    )


@lint("azure-rule-quota", "azure", ERROR, "More rules than a group holds", _LIMITS)
def rule_quota(document: Document) -> Iterator[Place]:
    """1,000 rules, both directions together."""
    most = document.quota("rules", QUOTAS["rules"])
    for group in document.groups:
        if len(group.rules) > most:
            yield group.where, f"{len(group.rules)} rules, and a group has {most}"


@lint("azure-rule-size", "azure", ERROR, "More parties than a rule holds", _LIMITS)
def rule_size(document: Document) -> Iterator[Place]:
    """4,000 prefixes and 10 application security groups on a side."""
    addresses = document.quota("addresses", QUOTAS["addresses"])
    asgs = document.quota("asgs", QUOTAS["asgs"])
    for rule in document.rules:
        groups = sum(1 for kind, _ in rule.sources if kind == "group")
        if len(rule.texts) > addresses:
            yield rule.where, f"{len(rule.texts)} prefixes, and a rule has {addresses}"
        if groups > asgs:
            yield rule.where, f"{groups} application security groups, and a rule has {asgs}"

"""What Google's compute API refuses of firewall rules, or takes otherwise than it looks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.cloud.gcp import QUOTAS
from rules.cloudlint.model import ERROR, Document, Place, Said, network, whole
from rules.cloudlint.registry import lint

_FIREWALL = "https://cloud.google.com/compute/docs/reference/rest/v1/firewalls"
_RULES = "https://cloud.google.com/firewall/docs/firewalls"
_QUOTAS = "https://cloud.google.com/vpc/docs/quota"
_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
LAST_PRIORITY = 65535
# Of one rule.
MOST = {"source tags": 30, "target tags": 70, "source accounts": 10, "target accounts": 10}
_PORTED = {6, 17, 132}


@lint("gcp-name", "gcp", ERROR, "A name that the API refuses", _FIREWALL)
def name(document: Document) -> Iterator[Place]:
    """RFC 1035: 1-63 small letters, digits and hyphens, from a letter to a letter or digit."""
    seen: set[str] = set()
    for rule in document.rules:
        words = [rule.name] if rule.name is not None else []
        words += [text for kind, text in (*rule.sources, *rule.targets) if kind == "tag"]
        for word in words:
            if not _NAME.fullmatch(word):
                yield rule.where, f"{word[:80]!r} is no name of RFC 1035"
        if rule.name is not None and rule.name in seen:
            yield rule.where, f"two rules are called {rule.name}"
        seen.add(rule.name or "")


@lint("gcp-priority", "gcp", ERROR, "A priority that there is not", _RULES)
def priority(document: Document) -> Iterator[Place]:
    """0-65535."""
    for rule in document.rules:
        number = whole(rule.priority)
        if rule.priority is not None and (number is None or not 0 <= number <= LAST_PRIORITY):
            yield rule.where, f"{rule.priority!r} is not 0-{LAST_PRIORITY}"


@lint("gcp-mixed-families", "gcp", ERROR, "IPv4 and IPv6 in one rule", _RULES)
def mixed_families(document: Document) -> Iterator[Place]:
    """Source and destination ranges of a rule are all of one family."""
    for rule in document.rules:
        found = [network(text) for text in (*rule.texts, *rule.destinations)]
        if len({one.version for one in found if one is not None}) > 1:
            yield rule.where, "its ranges are of IPv4 and of IPv6"


@lint("gcp-tag-and-account", "gcp", ERROR, "Tags and service accounts in one rule", _FIREWALL)
def tag_and_account(document: Document) -> Iterator[Place]:
    """Neither side may have the one where the other has the other."""
    for rule in document.rules:
        kinds = {kind for kind, _ in (*rule.sources, *rule.targets)}
        if {"tag", "account"} <= kinds:
            yield rule.where, "it names tags and service accounts"


@lint("gcp-empty-source", "gcp", ERROR, "No source, which means everybody", _FIREWALL)
def empty_source(document: Document) -> Iterator[Place]:
    """Write 0.0.0.0/0 where the world is meant; to let in nobody, leave the rule out."""
    for rule in document.rules:
        if rule.everybody and not rule.deny and not rule.egress:
            yield rule.where, "without ranges, tags and accounts it is from 0.0.0.0/0"


@lint("gcp-ports", "gcp", ERROR, "Ports of a protocol without any", _FIREWALL)
def ports(document: Document) -> Iterator[Place]:
    """Only tcp, udp and sctp have ports."""
    for rule in document.rules:
        if rule.ports and rule.protocol is not None and rule.number not in _PORTED:
            yield rule.where, f"{rule.protocol} has no ports"


@lint("gcp-rule-size", "gcp", ERROR, "More parties than a rule holds", _QUOTAS)
def rule_size(document: Document) -> Iterator[Place]:
    """5,000 source ranges, 30 source tags, 70 target tags, 10 service accounts on each side."""
    most = {"source ranges": document.quota("ranges", QUOTAS["ranges"]), **MOST}
    for rule in document.rules:
        for what, used in _sizes(rule).items():
            if used > most[what]:
                yield rule.where, f"{used} {what}, and a rule has {most[what]}"


def _sizes(rule: Said) -> dict[str, int]:
    kinds = {"source ranges": ("network", rule.sources), "source tags": ("tag", rule.sources),
             "target tags": ("tag", rule.targets), "source accounts": ("account", rule.sources),
             "target accounts": ("account", rule.targets)}  # fmt: skip
    return {
        what: sum(1 for kind, _ in parties if kind == wanted)
        for what, (wanted, parties) in kinds.items()
    }


@lint("gcp-rule-quota", "gcp", ERROR, "More rules than a project holds", _QUOTAS)
def rule_quota(document: Document) -> Iterator[Place]:
    """Raised on demand: --quota rules=N."""
    most = document.quota("rules", QUOTAS["rules"])
    used = len({rule.where for rule in document.rules})
    if used > most:
        yield document.source, f"{used} firewall rules, and a project has {most}"

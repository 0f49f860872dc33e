"""What EC2 refuses of security groups, or takes otherwise than it looks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.cloud.aws import DESCRIPTION_LENGTH, QUOTAS
from rules.cloudlint.model import ERROR, Document, Group, Place, Said, network, whole
from rules.cloudlint.registry import lint

_API = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference"
_GROUP = f"{_API}/API_CreateSecurityGroup.html"
_PERMISSION = f"{_API}/API_IpPermission.html"
_QUOTAS = "https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"
_NAME = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*")
# Of rules from groups and prefix lists it is the same set without the ampersand.
_PAIR = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=;{}!$*]*")
NAME_LENGTH = 255


@lint("aws-group-name", "aws", ERROR, "A name that EC2 refuses", _GROUP)
def group_name(document: Document) -> Iterator[Place]:
    """Up to 255 of a set of characters, not beginning with sg-, once in a VPC in any case."""
    seen: dict[tuple[str, str], str] = {}
    for group in document.groups:
        name = group.name
        if name is None or not group.here:
            continue
        if name.lower().startswith("sg-"):
            yield group.where, f"{name!r} begins with sg-"
        if not 0 < len(name) <= NAME_LENGTH or not _NAME.fullmatch(name):
            yield (
                group.where,
                f"{name[:60]!r} is too long or has characters that EC2 refuses",
            )
        key = (group.network, name.lower())
        if key in seen:
            yield group.where, f"{seen[key]!r} has the same name in EC2's eyes"
        seen.setdefault(key, name)


@lint("aws-description", "aws", ERROR, "A description that EC2 refuses", _GROUP)
def description(document: Document) -> Iterator[Place]:
    """Up to 255 of a set of characters: no angle brackets, no accents, no apostrophe."""
    for group in document.groups:
        yield from _described(group.where, group.description, _NAME)
        for rule in group.rules:
            pair = any(kind in ("group", "list") for kind, _ in rule.sources)
            yield from _described(rule.where, rule.description, _PAIR if pair else _NAME)


def _described(where: str, text: str | None, allowed: re.Pattern[str]) -> Iterator[Place]:
    if text is None:
        return
    if len(text) > DESCRIPTION_LENGTH:
        yield (
            where,
            f"its description has {len(text)} characters of {DESCRIPTION_LENGTH}",
        )
    elif not allowed.fullmatch(text):
        strange = sorted({c for c in text if not allowed.fullmatch(c)})
        yield where, f"EC2 takes no {' '.join(strange)} in its description"


@lint("aws-rule-quota", "aws", ERROR, "More rules than a group holds", _QUOTAS)
def rule_quota(document: Document) -> Iterator[Place]:
    """60 each way, IPv4 and IPv6 apart; a group counts in both, a prefix list its most entries."""
    most = document.quota("rules", QUOTAS["rules"])
    for group in document.groups:
        for egress in (False, True):
            for family in (4, 6):
                used = sum(
                    _weight(rule, family, document) for rule in group.rules if rule.egress is egress
                )
                if used > most:
                    way = "outbound" if egress else "inbound"
                    yield group.where, f"{used} {way} IPv{family} rules, and a group has {most}"


def _weight(rule: Said, family: int, document: Document) -> int:
    total = 0
    for kind, text in rule.sources:
        found = network(text) if kind == "network" else None
        if kind == "network":
            total += int(found is not None and found.version == family)
        else:
            total += document.lists.get(text, 1) if kind == "list" else 1
    return total + rule.hidden


@lint("aws-ports-ignored", "aws", ERROR, "Ports that EC2 ignores", _PERMISSION)
def ports_ignored(document: Document) -> Iterator[Place]:
    """Only tcp, udp, icmp and icmpv6 have ports; any other rule opens all, whatever it says."""
    for rule in document.rules:
        if rule.number in (1, 6, 17, 58) or (rule.number is None and not rule.every_protocol):
            continue
        for first, last in rule.ports:
            ends = (whole(first), whole(last))
            if ends not in ((0, 0), (-1, -1), (0, 65535), (None, None)):
                yield rule.where, f"protocol {rule.protocol} is let in whole, not {first}-{last}"


@lint("aws-duplicate", "aws", ERROR, "One rule twice in a group", f"{_API}/errors-overview.html")
def duplicate(document: Document) -> Iterator[Place]:
    """EC2 answers InvalidPermission.Duplicate."""
    for group in document.groups:
        yield from _twice(group)


def _twice(group: Group) -> Iterator[Place]:
    seen: dict[object, str] = {}
    for rule in group.rules:
        for party in rule.sources:
            if rule.hidden:
                continue
            what = rule.number if rule.number is not None else str(rule.protocol).lower()
            ports = () if rule.every_protocol else rule.ports
            key = (rule.egress, what, str(ports), party)
            if key in seen:
                yield rule.where, f"{party[1]} has the same in {seen[key]}"
            seen.setdefault(key, rule.where)


@lint("aws-family", "aws", ERROR, "A network in the field of the other family", _PERMISSION)
def family(document: Document) -> Iterator[Place]:
    """CidrIp takes IPv4, CidrIpv6 takes IPv6; they are never mixed."""
    for rule in document.rules:
        for text in rule.texts:
            found = network(text)
            if rule.family and found is not None and str(found.version) not in rule.family:
                yield rule.where, f"{text} stands where IPv{rule.family} is expected"


@lint("aws-no-sender", "aws", ERROR, "A rule that names nobody", _PERMISSION)
def no_sender(document: Document) -> Iterator[Place]:
    """EC2 refuses it, or lets in nobody."""
    for rule in document.rules:
        if not rule.sources and not rule.hidden:
            yield rule.where, "no network, group or prefix list is named"

"""Security groups as EC2 describes them, one permission at a time. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Any

from rules.cloud.peer import Peer, named_peer, network_peer, role_peer
from rules.cloud.rule import Place, Rule, what
from rules.errors import NodeprepError
from rules.parse.cloud.values import PROTOCOLS
from rules.record import field, record
from rules.render.cloud.aws import NAMES, ROLE_TAG

_PORTED = ("tcp", "udp", "icmp", "icmpv6")
_NUMBERS = {name: number for number, name in NAMES.items()}
# How a permission calls the group that stands for a role, since a new one has no id yet.
ROLE_MARK = "@"


@record
class Permission:
    """One sender, one protocol, one range of ports: what EC2 holds once in a group at most.

    ``protocol`` as EC2 writes it; ``first`` and ``last`` are -1 where it has no ports; of ICMP
    they are type and code. ``peer``: a network, ``sg-...``, ``pl-...`` or ``@ROLE``.
    """

    egress: bool
    protocol: str
    first: int
    last: int
    peer: str

    @property
    def label(self) -> str:
        """For a person: ``10250/tcp from worker``, ``every protocol to 0.0.0.0/0``."""
        rule = as_rule(self, "")
        ports = what(rule.protocol, rule.ports) if rule is not None else self._coded
        return f"{ports} {'to' if self.egress else 'from'} {self.peer.removeprefix(ROLE_MARK)}"

    @property
    def _coded(self) -> str:
        return f"{self.protocol} type {self.first} code {self.last}"

    def request(self, ids: Mapping[str, str], description: str = "") -> dict[str, Any]:
        """As the EC2 API's IpPermission. ``ids``: role -> the id of its group."""
        about = {"Description": description} if description else {}
        made: dict[str, Any] = {"IpProtocol": self.protocol}
        if self.protocol != "-1":
            made |= {"FromPort": self.first, "ToPort": self.last}
        if self.peer.startswith(ROLE_MARK):
            return {**made, "UserIdGroupPairs": [{"GroupId": ids[self.peer[1:]], **about}]}
        if self.peer.startswith("sg-"):
            return {**made, "UserIdGroupPairs": [{"GroupId": self.peer, **about}]}
        if self.peer.startswith("pl-"):
            return {**made, "PrefixListIds": [{"PrefixListId": self.peer, **about}]}
        if ":" in self.peer:
            return {**made, "Ipv6Ranges": [{"CidrIpv6": self.peer, **about}]}
        return {**made, "IpRanges": [{"CidrIp": self.peer, **about}]}

    def text(self, description: str) -> str:
        """For a difference: the request, with the name of a role in the place of its id."""
        name = self.peer.removeprefix(ROLE_MARK)
        return json.dumps(self.request({name: name}, description), sort_keys=True)


@record
class LiveRule:
    """A permission that is there. ``own``: we made it, as its tag says."""

    id: str
    permission: Permission
    description: str
    own: bool


@record
class LiveGroup:
    """A group that is there. ``own``: we made it, as its tag says."""

    id: str
    name: str
    tags: dict[str, str] = field(default_factory=dict)
    rules: tuple[LiveRule, ...] = ()

    @property
    def own(self) -> bool:
        """Whether it has the tag that all of ours have."""
        return ROLE_TAG in self.tags


@record
class State:
    """What is there. ``groups``: by name. ``weights``: prefix list -> its most entries.

    ``carriers``: name of a group -> the interfaces that carry it. ``given``: the families in which
    EC2 lets a new group of this VPC send everything.
    """

    groups: dict[str, LiveGroup]
    weights: dict[str, int] = field(default_factory=dict)
    carriers: dict[str, frozenset[str]] = field(default_factory=dict)
    given: frozenset[int] = frozenset({4})

    def lacking(self, first: str, other: str) -> list[str]:
        """The interfaces that carry a role's first group and not another one of it."""
        nobody: frozenset[str] = frozenset()
        return sorted(self.carriers.get(first, nobody) - self.carriers.get(other, nobody))


def groups_of(
    groups: Iterable[Mapping[str, Any]],
    rules: Iterable[Mapping[str, Any]],
    roles: Mapping[str, str],
) -> dict[str, LiveGroup]:
    """From DescribeSecurityGroups and DescribeSecurityGroupRules, by name.

    ``roles``: name of a group -> the role that rules mean by it.
    """
    listed = list(groups)
    marks = {
        item["GroupId"]: f"{ROLE_MARK}{roles[item['GroupName']]}"
        for item in listed
        if item["GroupName"] in roles
    }
    by_group: dict[str, list[LiveRule]] = {}
    for item in rules:
        by_group.setdefault(item["GroupId"], []).append(_rule(item, marks))
    return {
        item["GroupName"]: LiveGroup(
            item["GroupId"],
            item["GroupName"],
            _tags(item),
            tuple(sorted(by_group.get(item["GroupId"], ()), key=lambda rule: rule.id)),
        )
        for item in listed
    }


def _tags(item: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags") or ()}


def _rule(item: Mapping[str, Any], marks: Mapping[str, str]) -> LiveRule:
    group = (item.get("ReferencedGroupInfo") or {}).get("GroupId")
    peer = (
        item.get("CidrIpv4") or item.get("CidrIpv6") or item.get("PrefixListId")
        or marks.get(group or "", group)
    )  # fmt: skip
    if not peer:
        raise NodeprepError(
            f"EC2 describes {item['SecurityGroupRuleId']} without a sender, so what it lets in is "
            "not known"
        )
    word = str(item.get("IpProtocol", "-1")).lower()
    protocol = NAMES.get(int(word) if word.isdigit() else PROTOCOLS.get(word), word)
    first, last = item.get("FromPort", -1), item.get("ToPort", -1)
    if protocol not in _PORTED:
        first = last = -1
    return LiveRule(
        item["SecurityGroupRuleId"],
        Permission(bool(item.get("IsEgress")), protocol, first, last, str(peer)),
        item.get("Description") or "",
        ROLE_TAG in _tags(item),
    )


def as_rule(permission: Permission, role: str) -> Rule | None:
    """The same as a rule of a plan; None for one code of an ICMP type, which no plan has."""
    number = _NUMBERS.get(permission.protocol)
    if number is None and permission.protocol != "-1":
        number = int(permission.protocol)
    ports = None
    if number in (1, 58) and permission.first != -1:
        if permission.last != -1:
            return None
        ports = (permission.first, permission.first)
    elif number in (6, 17) and permission.first != -1:
        ports = (permission.first, permission.last)
    peer = _peer(permission.peer)
    families = (peer.family,) if peer.family else (4, 6)
    return Rule(role, Place.NODE, families, peer, number, ports)


def _peer(word: str) -> Peer:
    if word.startswith(ROLE_MARK):
        return role_peer(word.removeprefix(ROLE_MARK))
    if word.startswith(("sg-", "pl-")):
        return named_peer(word)
    return network_peer(ip_network(word, strict=False))


def weight(permission: Permission, family: int, weights: Mapping[str, int]) -> int:
    """How many rules of a family EC2 counts it for; a list of unknown size counts as one."""
    peer = _peer(permission.peer)
    if peer.family:
        return int(peer.family == family)
    return weights.get(permission.peer, 1)

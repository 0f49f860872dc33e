"""Security groups of a project brought to a plan by `openstack`.

https://docs.openstack.org/python-openstackclient/latest/cli/command-objects/security-group.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

from rules.backend import Change
from rules.cloud.document import CloudGroup, CloudRules, Usage, describe
from rules.cloud.openstack import DEFAULT_RULES, DESCRIPTION_LENGTH, QUOTAS
from rules.cloud.peer import Kind
from rules.cloud.rule import what
from rules.cloudapply.failure import CloudError
from rules.cloudapply.plan import Plan
from rules.cloudapply.refused import Refused, refuse_absent
from rules.cloudapply.things import MARK, Thing, VendorStep, Words, compare, content
from rules.cloudapply.things import steps as steps_of
from rules.cloudapply.vendor import TIMEOUT_S, Command, Vendor
from rules.cluster import Role
from rules.parse.cloud.values import EVERY_PROTOCOL, PROTOCOLS
from rules.record import record
from rules.render.cloud.openstack import NAMES, about

OPENSTACK = Command(
    "openstack",
    "OpenStack",
    "pip install python-openstackclient",
    "set OS_CLOUD, or source the project's openrc file",
    (),
    unknown=re.compile(
        r"Missing value .* required for auth plugin|requires authentication|HTTP 401|\(401\)|"
        r"Cloud .* was not found|auth[-_]url|Unauthorized"
    ),
    gone=re.compile(r"No SecurityGroup(Rule)? found|SecurityGroup(Rule)?NotFound|HTTP 404"),
    there=re.compile(r"SecurityGroupRuleExists|already exists|ConflictException: 409", re.I),
)
_GROUP = ("security", "group")
_KIND = "rule"


@record
class LiveGroup:
    """A group that is there; ``rules`` as Neutron has them."""

    id: str
    name: str
    description: str
    rules: tuple[dict[str, Any], ...]


@record
class State:
    """Our groups by name, and how many groups and rules the project has."""

    groups: dict[str, LiveGroup]
    group_count: int
    rule_count: int


class Neutron(Words):
    """What ``rules.cloudapply.plan`` drives."""

    title = "OpenStack"

    def __init__(self, rules: CloudRules, timeout_s: float = TIMEOUT_S) -> None:
        self._rules = rules
        self._vendor = Vendor(OPENSTACK, timeout_s)

    def read(self) -> State:
        """The groups that the rules may have. Raises CloudError where a name is there twice."""
        listed = self._vendor.items([*_GROUP, "list", "--format", "json"])
        names = {f"{self._rules.options.name}-{role.value}" for role in Role}
        groups: dict[str, LiveGroup] = {}
        for item in listed:
            name = str(item.get("Name"))
            if name not in names:
                continue
            if name in groups:
                raise CloudError(
                    f"there are two security groups called {name}, {groups[name].id} and "
                    f"{item.get('ID')}: rename one, or take another --name"
                )
            shown = self._vendor.json([*_GROUP, "show", str(item.get("ID")), "--format", "json"])
            rules = shown.get("rules") if isinstance(shown, dict) else None
            if not isinstance(rules, list) or not all(isinstance(one, dict) for one in rules):
                raise CloudError(f"openstack security group show: {name} comes without its rules")
            groups[name] = LiveGroup(
                str(item.get("ID")), name, str(shown.get("description") or ""), tuple(rules)
            )
        every = self._vendor.items([*_GROUP, "rule", "list", "--format", "json"])
        return State(groups, len(listed), len(every))

    def plan(self, state: State) -> Plan:
        """Raises Refused where a group of that name is not ours, and where there is no room."""
        rules = self._rules
        for group in rules.groups:
            there = state.groups.get(group.name)
            if there is not None and not _own(there.description):
                raise Refused(
                    f"{there.id} is called {group.name} and its description does not begin with "
                    f"{MARK.strip()!r}, so it is not ours: take another --name, or describe it so "
                    "to hand it over"
                )
        refuse_absent(rules, state.groups)
        ids = {group.id: name for name, group in state.groups.items()}
        live = [
            _live(group.name, item, ids)
            for group in rules.groups
            for item in getattr(state.groups.get(group.name), "rules", ())
            if item.get("direction") == "ingress"
        ]
        wanted = list(self._wanted())
        found = compare(wanted, live, lambda thing: thing.name)
        groups = [group for group in rules.groups if group.name not in state.groups]
        usage = tuple(self._usage(state, len(groups), len(found.create), len(found.remove)))
        made = [*map(self._make, groups), *steps_of(found, self), *self._described(state)]
        contents = {(thing.group, thing.content) for thing in wanted}
        members = rules.plan.members
        return Plan(
            rules.plan.digest,
            tuple(made),
            tuple(change for step in made for change in step.changes),
            usage,
            tuple(
                f"{thing.group}: {thing.name} ({thing.handle})"
                for thing in live
                if not thing.own and (thing.group, thing.content) not in contents
            ),
            tuple(
                f"{group.name} ({group.id})"
                for name, group in state.groups.items()
                if _own(group.description)
                and name.removeprefix(f"{rules.options.name}-") not in members
            ),
        )

    def writer(self, state: State) -> Callable[[VendorStep], None]:
        """Carries out one step."""
        return self._vendor.carry_out

    def create(self, thing: Thing) -> list[str]:
        """To make a rule."""
        said = json.loads(thing.content)
        words = [*_GROUP, "rule", "create", "--ingress", "--ethertype", said["ethertype"]]
        words += ["--protocol", said["protocol"]]
        if "ports" in said:
            first, last = said["ports"]
            if said["protocol"] in (NAMES[1], NAMES[58]):
                words += ["--icmp-type", str(first)]
            else:
                words += ["--dst-port", f"{first}:{last}"]
        remote = "--remote-group" if "group" in said else "--remote-ip"
        words += [remote, said.get("group") or said["network"], "--description", thing.about]
        return [*words, "--format", "json", thing.group]

    def describe(self, thing: Thing, about: str) -> list[str]:
        """Neutron's rules keep the description that they were made with."""
        return []

    def remove(self, thing: Thing) -> list[str]:
        """To take a rule away."""
        return [*_GROUP, "rule", "delete", thing.handle]

    def _wanted(self) -> Iterator[Thing]:
        rules = self._rules
        for group in rules.groups:
            for rule in group.rules:
                for family in rule.families:
                    said: dict[str, object] = {
                        "ethertype": f"IPv{family}",
                        "protocol": _protocol(rule.protocol),
                    }
                    if rule.ports is not None:
                        said["ports"] = list(rule.ports)
                    if rule.peer.network is not None:
                        said["network"] = str(rule.peer.network)
                    elif rule.peer.kind is Kind.ROLE:
                        said["group"] = rules.names[rule.peer.name]
                    else:
                        said["group"] = rule.peer.name
                    text = f"{MARK}{describe(rule, DESCRIPTION_LENGTH - len(MARK))}"
                    name = f"{rule.what} from {said.get('group') or said['network']} (IPv{family})"
                    yield Thing(_KIND, group.name, name, content(said), text)

    def _make(self, group: CloudGroup) -> VendorStep:
        label = f"security group {group.name}"
        text = about(group, self._rules)
        argv = [*_GROUP, "create", "--description", text, "--format", "json", group.name]
        return VendorStep("created", label, tuple(argv), (Change(label, None, text),))

    def _described(self, state: State) -> Iterator[VendorStep]:
        for group in self._rules.groups:
            there = state.groups.get(group.name)
            text = about(group, self._rules)
            if there is not None and there.description != text:
                label = f"security group {group.name}"
                argv = (*_GROUP, "set", "--description", text, there.id)
                yield VendorStep("changed", label, argv, (Change(label, there.description, text),))

    def _usage(self, state: State, groups: int, new: int, old: int) -> Iterator[Usage]:
        options = self._rules.options
        for quota, there, more, less in (
            ("groups", state.group_count, groups, 0),
            ("rules", state.rule_count, new + groups * DEFAULT_RULES, old),
        ):
            most = options.quota(quota, QUOTAS[quota])
            if more and there + more > most:
                before = f" before {less} old ones go" if less else ""
                raise Refused(
                    f"the project has {there} of {most} security group {quota}, and {more} new "
                    f"ones come{before}: say with --quota {quota}=N what the project may have"
                )
            yield Usage("the project", f"security {quota}", there + more - less, most)


def _own(description: str) -> bool:
    return description.startswith(MARK)


def _live(group: str, item: dict[str, Any], ids: dict[str, str]) -> Thing:
    """A rule that lets in, as Neutron's API writes it. ``ids``: id of a group of ours -> name."""
    ethertype = str(item.get("ethertype"))
    number = _number(item.get("protocol"))
    said: dict[str, object] = {"ethertype": ethertype, "protocol": _protocol(number)}
    first, last = item.get("port_range_min"), item.get("port_range_max")
    ports: tuple[int, int] | None = None
    if first is not None and number in (1, 58):
        ports = (int(first), int(first))
        if last is not None:
            said["code"] = int(last)
    elif first is not None and last is not None and (first, last) != (0, 65535):
        ports = (int(first), int(last))
    if ports is not None:
        said["ports"] = list(ports)
    if item.get("remote_group_id"):
        identity = str(item["remote_group_id"])
        said["group"] = ids.get(identity, identity)
    elif item.get("remote_address_group_id"):
        said["addresses"] = str(item["remote_address_group_id"])
    else:
        anywhere = "0.0.0.0/0" if ethertype == "IPv4" else "::/0"
        text = str(item.get("remote_ip_prefix") or anywhere)
        said["network"] = str(ip_network(text, strict=False))
    sender = said.get("group") or said.get("network") or said.get("addresses")
    name = f"{what(number, ports)} from {sender} (IP{ethertype[2:]})"
    description = str(item.get("description") or "")
    own = _own(description)
    return Thing(_KIND, group, name, content(said), description, own=own, handle=str(item["id"]))


def _number(word: object) -> int | None:
    text = str(word).lower()
    if word is None or text in EVERY_PROTOCOL:
        return None
    if text in PROTOCOLS:
        return PROTOCOLS[text]
    if text.isascii() and text.isdigit():
        return int(text)
    raise CloudError(f"openstack lists {text!r} as a protocol, which is not known")


def _protocol(number: int | None) -> str:
    return "any" if number is None else NAMES.get(number, str(number))

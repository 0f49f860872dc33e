"""Network security groups of a resource group brought to a plan by `az`.

https://learn.microsoft.com/en-us/cli/azure/network/nsg
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rules.backend import Change
from rules.cloud.azure import DESCRIPTION_LENGTH, FIRST_PRIORITY, LAST_PRIORITY, QUOTAS
from rules.cloud.document import CloudRules, Usage
from rules.cloud.peer import Kind, Peer
from rules.cloudapply.azurerules import KIND, inbound, living, ports, prefix
from rules.cloudapply.plan import Plan
from rules.cloudapply.refused import Refused, refuse_absent
from rules.cloudapply.things import MARK, Thing, VendorStep, Words, compare, content, free_name
from rules.cloudapply.things import steps as steps_of
from rules.cloudapply.vendor import TIMEOUT_S, Command, Vendor
from rules.cluster import Role
from rules.record import field, record
from rules.render.cloud.azure import ROLE_TAG, SecurityRule, security_rules, tag_words, tags_of

AZ = Command(
    "az",
    "Azure",
    "https://learn.microsoft.com/cli/azure/install-azure-cli",
    "az login",
    ("--only-show-errors",),
    unknown=re.compile(r"az login|az account set|AADSTS|interactive authentication is needed"),
    gone=re.compile(r"ResourceNotFound|\(NotFound\)|ParentResourceNotFound"),
    there=re.compile(r"SecurityRuleConflict|AnotherOperationInProgress|RetryableError"),
)
_NETWORK = ("network",)
_NAME_LENGTH = 80
_KINDS = {"asg": "application security group", "nsg": "network security group"}


@record
class State:
    """What the resource group holds, as `az` lists it, by name."""

    nsg: dict[str, dict[str, Any]] = field(default_factory=dict)
    asg: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The groups of one kind: ``nsg`` or ``asg``."""
        return self.nsg if kind == "nsg" else self.asg


class Azure(Words):
    """What ``rules.cloudapply.plan`` drives. ``rules`` name their resource group."""

    title = "Azure"

    def __init__(self, rules: CloudRules, timeout_s: float = TIMEOUT_S) -> None:
        self._rules = rules
        self._vendor = Vendor(AZ, timeout_s)
        self._place = ["--resource-group", rules.options.scope]
        self._priorities: dict[str, set[int]] = {}
        self._wishes: dict[tuple[str, str], int] = {}

    def read(self) -> State:
        """The network and application security groups of the resource group."""
        found = {
            kind: {
                str(item.get("name")): item
                for item in self._vendor.items(
                    [*_NETWORK, kind, "list", *self._place, "--output", "json"]
                )
            }
            for kind in ("nsg", "asg")
        }
        return State(found["nsg"], found["asg"])

    def plan(self, state: State) -> Plan:
        """Raises Refused where a group of that name is not ours, and where it has no room."""
        rules = self._rules
        for kind, title in _KINDS.items():
            for group in rules.groups:
                item = state.of(kind).get(group.name)
                if item is not None and ROLE_TAG not in (item.get("tags") or {}):
                    raise Refused(
                        f"there is a {title} called {group.name} without the tag {ROLE_TAG}, so it "
                        "is not ours: take another --name, or give it that tag to hand it over"
                    )
        refuse_absent(rules, state.asg)
        live = {name: inbound(state.nsg.get(name, {})) for name in self._names()}
        self._priorities = {
            name: {int(item["priority"]) for item in listed} for name, listed in live.items()
        }
        taken = {
            name: {str(item.get("name", "")).lower() for item in listed}
            for name, listed in live.items()
        }
        things = [living(name, item) for name, listed in live.items() for item in listed]
        found = compare(
            self._wanted(),
            things,
            lambda thing: free_name(thing.name, taken[thing.group], _NAME_LENGTH),
        )
        # What denies and is not wanted goes before the one that is wanted comes, and leaves room.
        for thing in found.first:
            self._priorities[thing.group].discard(json.loads(thing.content)["priority"])
        usage = [*self._usage(live, found.create + found.shut_late, found.first + found.remove)]
        made = [*self._groups(state), *steps_of(found, self), *self._tags(state)]
        return Plan(
            rules.plan.digest,
            tuple(made),
            tuple(change for step in made for change in step.changes),
            tuple(usage),
            tuple(
                f"{thing.group}: {thing.name}{' (denies)' if thing.denies else ''}"
                for thing in things
                if not thing.own and thing.content not in self._contents()
            ),
            tuple(self._leftovers(state)),
        )

    def writer(self, state: State) -> Callable[[VendorStep], None]:
        """Carries out one step."""
        return self._vendor.carry_out

    def create(self, thing: Thing) -> list[str]:
        """To make a rule."""
        said = json.loads(thing.content)
        words = [
            *_NETWORK, "nsg", "rule", "create", *self._place, "--nsg-name", thing.group,
            "--name", thing.name, "--direction", "Inbound", "--access", said["access"],
            "--protocol", said["protocol"], "--priority", str(self._priority(thing)),
            "--source-port-ranges", "*", "--destination-port-ranges", *said["ports"],
        ]  # fmt: skip
        if "asgs" in said:
            words += ["--source-asgs", *said["asgs"]]
        else:
            words += ["--source-address-prefixes", *said["sources"]]
        words += ["--destination-address-prefixes", *said["destinations"]]
        return [*words, "--description", thing.about, "--output", "none"]

    def describe(self, thing: Thing, about: str) -> list[str]:
        """To give a rule another description."""
        return [
            *_NETWORK, "nsg", "rule", "update", *self._place, "--nsg-name", thing.group,
            "--name", thing.name, "--description", about, "--output", "none",
        ]  # fmt: skip

    def remove(self, thing: Thing) -> list[str]:
        """To take a rule away."""
        where = ["--nsg-name", thing.group, "--name", thing.name]
        return [*_NETWORK, "nsg", "rule", "delete", *self._place, *where]

    def _names(self) -> list[str]:
        return [group.name for group in self._rules.groups]

    def _contents(self) -> set[str]:
        return {thing.content for thing in self._wanted()}

    def _wanted(self) -> Iterator[Thing]:
        for group in self._rules.groups:
            for one in security_rules(group, self._rules):
                about = f"{MARK}{one.description}"
                if len(about) > DESCRIPTION_LENGTH:
                    about = f"{about[: DESCRIPTION_LENGTH - 3]}..."
                said = content(self._said(one))
                self._wishes[group.name, said] = one.priority
                denies = one.access == "Deny"
                yield Thing(KIND, group.name, one.name, said, about, denies=denies)

    def _said(self, one: SecurityRule) -> dict[str, object]:
        def asg(peer: Peer) -> str:
            named = peer.kind is Kind.NAMED
            return (peer.name if named else self._rules.names[peer.name]).lower()

        found: dict[str, object] = {
            "access": one.access,
            "protocol": one.protocol,
            "ports": ports(one.ports),
            "destinations": sorted(map(prefix, one.destinations)),
        }
        if one.asgs:
            found["asgs"] = sorted(map(asg, one.asgs))
        else:
            found["sources"] = sorted(map(prefix, one.sources))
        if one.access == "Deny":
            found["priority"] = one.priority
        return found

    def _priority(self, thing: Thing) -> int:
        """The one that ``cloud render`` gives it, else the next that is free."""
        taken = self._priorities.setdefault(thing.group, set())
        wish: int = self._wishes[thing.group, thing.content]
        if thing.denies:
            if wish in taken:
                raise Refused(
                    f"{thing.group}: priority {wish} is taken by another rule, and what is not let "
                    "in is denied there: give that rule another priority"
                )
            taken.add(wish)
            return wish
        every = (*range(wish, LAST_PRIORITY), *range(FIRST_PRIORITY, wish))
        found: int | None = next((number for number in every if number not in taken), None)
        if found is None:
            raise Refused(f"{thing.group}: every priority below {LAST_PRIORITY} is taken")
        taken.add(found)
        return found

    def _groups(self, state: State) -> Iterator[VendorStep]:
        """Groups that are not there: those that rules name, before those that hold rules."""
        location = self._rules.options.location
        place = [*self._place, *(["--location", location] if location else [])]
        for kind, title in _KINDS.items():
            for group in self._rules.groups:
                if group.name in state.of(kind):
                    continue
                tags = tag_words(tags_of(self._rules, group))
                argv = [*_NETWORK, kind, "create", *place, "--name", group.name, "--tags", *tags]
                label = f"{title} {group.name}"
                after = json.dumps({"tags": tags_of(self._rules, group)}, sort_keys=True)
                yield VendorStep(
                    "created", label, (*argv, "--output", "none"), (Change(label, None, after),)
                )

    def _tags(self, state: State) -> Iterator[VendorStep]:
        for kind, title in _KINDS.items():
            for group in self._rules.groups:
                item = state.of(kind).get(group.name)
                if item is None:
                    continue
                there, wanted = item.get("tags") or {}, tags_of(self._rules, group)
                if all(there.get(key) == text for key, text in wanted.items()):
                    continue
                whole = {**there, **wanted}
                pairs = tag_words(whole)
                label = f"{title} {group.name}: tags"
                change = Change(
                    label, json.dumps(there, sort_keys=True), json.dumps(whole, sort_keys=True)
                )
                argv = [*_NETWORK, kind, "update", *self._place, "--name", group.name, "--tags"]
                yield VendorStep("changed", label, (*argv, *pairs, "--output", "none"), (change,))

    def _usage(
        self, live: dict[str, list[dict[str, Any]]], new: Iterable[Thing], old: Iterable[Thing]
    ) -> Iterator[Usage]:
        most = self._rules.options.quota("rules", QUOTAS["rules"])
        new, old = list(new), list(old)
        for name, listed in live.items():
            more = sum(thing.group == name for thing in new)
            less = sum(thing.group == name for thing in old)
            if more and len(listed) + more > most:
                raise Refused(
                    f"{name} has {len(listed)} of {most} security rules, and {more} new ones come "
                    f"before {less} old ones go: take rules of others out"
                )
            yield Usage(name, "security rules", len(listed) + more - less, most)

    def _leftovers(self, state: State) -> Iterator[str]:
        members = self._rules.plan.members
        for role in Role:
            name = f"{self._rules.options.name}-{role.value}"
            for kind, title in _KINDS.items():
                tags = state.of(kind).get(name, {}).get("tags") or {}
                if role.value not in members and ROLE_TAG in tags:
                    yield f"{title} {name}"

"""Firewall rules of a project brought to a plan by `gcloud`.

https://cloud.google.com/sdk/gcloud/reference/compute/firewall-rules
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import Any

from rules.cloud.document import CloudRules, Usage
from rules.cloud.gcp import QUOTAS, word
from rules.cloudapply.failure import CloudError
from rules.cloudapply.plan import Plan
from rules.cloudapply.refused import Refused
from rules.cloudapply.things import MARK, Thing, VendorStep, Words, compare, content, free_name
from rules.cloudapply.things import steps as steps_of
from rules.cloudapply.vendor import TIMEOUT_S, Command, Vendor
from rules.cluster import Role
from rules.parse.cloud.values import EVERY_PROTOCOL, PROTOCOLS
from rules.render.cloud.gcp import NAMES, firewalls

GCLOUD = Command(
    "gcloud",
    "Google Cloud",
    "https://cloud.google.com/sdk/docs/install",
    "gcloud auth login",
    ("--quiet",),
    unknown=re.compile(
        r"active account selected|gcloud auth login|Reauthentication|invalid_grant|"
        r"Application Default Credentials|There was a problem refreshing"
    ),
    gone=re.compile(r"The resource '[^']*' was not found|notFound|HTTPError 404", re.I),
    there=re.compile(r"already exists|resourceInUse|resourceNotReady|HTTPError 409", re.I),
)
_RULES = ("compute", "firewall-rules")
_NAME_LENGTH = 63
_KIND = "firewall rule"


class Google(Words):
    """What ``rules.cloudapply.plan`` drives. ``state``: the project's rules as gcloud lists them.

    ``rules`` name their network.
    """

    title = "Google Cloud"

    def __init__(self, rules: CloudRules, timeout_s: float = TIMEOUT_S) -> None:
        self._rules = rules
        self._vendor = Vendor(GCLOUD, timeout_s)
        scope = rules.options.scope
        self._project = [f"--project={scope}"] if scope else []
        self._network = _last(rules.options.network)

    def read(self) -> list[dict[str, Any]]:
        """Every firewall rule of the project."""
        return self._vendor.items([*_RULES, "list", "--format=json", *self._project])

    def plan(self, state: list[dict[str, Any]]) -> Plan:
        """Raises Refused where the project has no room for new rules beside the old ones."""
        rules = self._rules
        taken = {str(item.get("name")) for item in state}
        here = [item for item in state if _last(item.get("network")) == self._network]
        targets = {word(role, rules): role for role in rules.plan.receivers}
        live = [thing for item in here if (thing := _live(item, targets)) is not None]
        found = compare(
            self._wanted(),
            live,
            lambda thing: free_name(thing.name, taken, _NAME_LENGTH),
        )
        made = steps_of(found, self)
        most = rules.options.quota("rules", QUOTAS["rules"])
        new, old = len(found.create), len(found.first) + len(found.remove)
        if new and len(state) + new > most:
            raise Refused(
                f"the project has {len(state)} of {most} firewall rules, and {new} new ones come "
                f"before {old} old ones go: take rules of others out, or say with --quota rules=N "
                "what the project may have"
            )
        usage = Usage("the project", "firewall rules", len(state) + new - old, most)
        return Plan(
            rules.plan.digest,
            tuple(made),
            tuple(change for step in made for change in step.changes),
            (usage,),
            tuple(self._foreign(here, live)),
            tuple(self._leftovers(here)),
        )

    def writer(self, state: list[dict[str, Any]]) -> Callable[[VendorStep], None]:
        """Carries out one step."""
        return self._vendor.carry_out

    def create(self, thing: Thing) -> list[str]:
        """To make a rule."""
        flags = _flags(thing.content)
        return [
            *_RULES, "create", thing.name, *self._project,
            f"--network={self._rules.options.network}", "--direction=INGRESS", "--action=ALLOW",
            *flags, f"--description={thing.about}", "--format=json",
        ]  # fmt: skip

    def describe(self, thing: Thing, about: str) -> list[str]:
        """To give a rule another description."""
        what = f"--description={about}"
        return [*_RULES, "update", thing.name, *self._project, what, "--format=json"]

    def remove(self, thing: Thing) -> list[str]:
        """To take a rule away."""
        return [*_RULES, "delete", thing.name, *self._project]

    def _wanted(self) -> Iterable[Thing]:
        for item in firewalls(self._rules):
            about = f"{MARK}{item['description']}"
            yield Thing(_KIND, "", item["name"], content(_content(item)), about)

    def _foreign(self, here: list[dict[str, Any]], live: list[Thing]) -> Iterable[str]:
        """Rules of others that hold for our machines."""
        own = {thing.name for thing in live if thing.own}
        ours = {word(role, self._rules) for role in self._rules.plan.receivers}
        for item in here:
            targets = {*item.get("targetTags", ()), *item.get("targetServiceAccounts", ())}
            inward = item.get("direction", "INGRESS") == "INGRESS" and not item.get("disabled")
            if item.get("name") not in own and inward and (not targets or targets & ours):
                to = ", ".join(sorted(targets & ours)) or "every machine of the network"
                denies = " (denies)" if item.get("denied") else ""
                yield f"{item.get('name')}{denies}, for {to}"

    def _leftovers(self, here: list[dict[str, Any]]) -> Iterable[str]:
        members = self._rules.plan.members
        gone = {
            f"{self._rules.options.name}-{role.value}" for role in Role if role.value not in members
        }
        for item in here:
            if _own(item) and set(item.get("targetTags", ())) & gone:
                yield str(item.get("name"))


def _own(item: dict[str, Any]) -> bool:
    return str(item.get("description", "")).startswith(MARK)


def _last(name: object) -> str:
    return str(name).rpartition("/")[2]


def _live(item: dict[str, Any], targets: dict[str, str]) -> Thing | None:
    """A rule for machines of ours alone; None for every other one."""
    said = [*item.get("targetTags", ()), *item.get("targetServiceAccounts", ())]
    if len(said) != 1 or said[0] not in targets or item.get("direction", "INGRESS") != "INGRESS":
        return None
    return Thing(
        _KIND,
        "",
        str(item["name"]),
        content(_content(item)),
        str(item.get("description", "")),
        own=_own(item),
        denies=bool(item.get("denied")),
    )


def _content(item: dict[str, Any]) -> dict[str, object]:
    """A Firewall resource without what does not matter, in one order."""
    found: dict[str, object] = {"priority": int(item.get("priority", 1000))}
    for key in ("sourceTags", "sourceServiceAccounts", "targetTags", "targetServiceAccounts"):
        if item.get(key):
            found[key] = sorted(item[key])
    for key in ("sourceRanges", "destinationRanges"):
        if item.get(key):
            found[key] = sorted(_range(text) for text in item[key])
    for key in ("allowed", "denied"):
        if item.get(key):
            found[key] = sorted(
                f"{_protocol(one.get('IPProtocol'))}{f':{ports}' if ports else ''}"
                for one in item[key]
                for ports in one.get("ports") or ("",)
            )
    if item.get("disabled"):
        found["disabled"] = True
    return found


def _range(text: object) -> str:
    try:
        return str(ip_network(str(text), strict=False))
    except ValueError:
        raise CloudError(f"gcloud lists {text!r} as a range of addresses, and it is none") from None


def _protocol(said: object) -> str:
    """A protocol as the API names it: the same word for its name and its number."""
    text = str(said).lower()
    if text in EVERY_PROTOCOL:
        return NAMES[None]
    number = int(text) if text.isascii() and text.isdigit() else PROTOCOLS.get(text)
    return text if number is None else NAMES.get(number, str(number))


def _flags(said: str) -> list[str]:
    """The flags of ``create`` for a content."""
    found = json.loads(said)
    names = {
        "sourceTags": "source-tags", "sourceServiceAccounts": "source-service-accounts",
        "targetTags": "target-tags", "targetServiceAccounts": "target-service-accounts",
        "sourceRanges": "source-ranges", "destinationRanges": "destination-ranges",
        "allowed": "rules",
    }  # fmt: skip
    return [
        f"--priority={found['priority']}",
        *(f"--{flag}={','.join(found[key])}" for key, flag in names.items() if key in found),
    ]

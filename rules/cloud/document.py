"""Everything that the renderers of one cloud need: groups with their rules, and what they cost.

Pure values.
"""

from __future__ import annotations

from rules.cloud.abilities import Widening
from rules.cloud.bundle import Bundle
from rules.cloud.peer import Kind
from rules.cloud.plan import CloudPlan
from rules.cloud.rule import Rule
from rules.record import record


@record
class CloudOptions:
    """What a person says about names and places.

    ``name``: with what every name begins. ``network``: the VPC, network or virtual network;
    empty: whoever uses the document is asked. ``scope``: the resource group (Azure) or project
    (Google); ``location``: the region, where the document needs one. ``quotas``: name -> number,
    where an account has others than the cloud's defaults. ``accounts``: role -> the service account
    of its machines (Google), in the place of network tags.
    """

    name: str = "nodeprep"
    network: str = ""
    scope: str = ""
    location: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    quotas: tuple[tuple[str, int], ...] = ()
    accounts: tuple[tuple[str, str], ...] = ()

    def quota(self, name: str, default: int) -> int:
        """A quota of the account, else the cloud's default."""
        return dict(self.quotas).get(name, default)


@record
class Usage:
    """How much of one quota something uses."""

    subject: str
    quota: str
    used: int
    most: int

    def __str__(self) -> str:
        return f"{self.subject}: {self.used} of {self.most} {self.quota}"


@record
class CloudGroup:
    """One group as the cloud gets it. The members of ``role`` carry all of the role's groups.

    ``number``: 1 for the one that rules refer to; the others hold what did not fit into it.
    ``bundles``: the same rules with lists of senders and ports, where the cloud has such.
    """

    name: str
    role: str
    number: int
    rules: tuple[Rule, ...]
    bundles: tuple[Bundle, ...] = ()

    def bundled(self, bundles: tuple[Bundle, ...]) -> CloudGroup:
        """The same group with its bundles."""
        return CloudGroup(self.name, self.role, self.number, self.rules, bundles)


@record
class CloudRules:
    """A plan in one cloud's words. ``left_out``: flows that a person did without."""

    cloud: str
    plan: CloudPlan
    options: CloudOptions
    groups: tuple[CloudGroup, ...]
    usage: tuple[Usage, ...]
    widenings: tuple[Widening, ...] = ()
    left_out: tuple[str, ...] = ()
    version: str = ""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of all groups, in order."""
        return tuple(rule for group in self.groups for rule in group.rules)

    @property
    def names(self) -> dict[str, str]:
        """Role -> the name of the group that rules refer to, those not written here too."""
        return {role: f"{self.options.name}-{role}" for role in self.plan.members}

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The roles that rules refer to and whose groups another document makes."""
        named = {rule.peer.name for rule in self.rules if rule.peer.kind is Kind.ROLE}
        known = self.plan.receivers
        return tuple(role for role in self.plan.members if role in named and role not in known)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the head of a document says: where it is from, what it costs, what is wider."""
        return (
            f"nodeprep {self.version}: {self.cloud}, roles {', '.join(self.plan.receivers)}, "
            f"policy {self.plan.digest}",
            *(str(usage) for usage in self.usage),
            *(f"widened by request: {item.flow}: {item.why}" for item in self.widenings),
            *(f"left out by request: {flow}" for flow in self.left_out),
        )

    def ingress(self, role: str) -> tuple[Rule, ...]:
        """The rules of all groups of a role."""
        return tuple(rule for group in self.groups if group.role == role for rule in group.rules)


def describe(rule: Rule, most: int) -> str:
    """What a rule is for, in characters that every cloud takes, at most ``most`` of them."""
    return describe_flows(rule.flows, most)


def describe_flows(flows: tuple[str, ...], most: int) -> str:
    """What a rule of some flows is for, as ``describe`` says it."""
    text = ", ".join(flows) or "nodeprep"
    clean = "".join(c if c.isascii() and (c.isalnum() or c in " ,._-") else "_" for c in text)
    return clean if len(clean) <= most else clean[: most - 3].rstrip(" ,") + "..."

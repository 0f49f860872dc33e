"""What Google's VPC firewall rules can say, and what they cost. Pure.

Sources: the Firewall resource of the compute API
(https://cloud.google.com/compute/docs/reference/rest/v1/firewalls),
https://cloud.google.com/firewall/docs/firewalls and https://cloud.google.com/vpc/docs/quota.
"""

from __future__ import annotations

import re
from ipaddress import ip_network

from rules.cloud.abilities import Abilities
from rules.cloud.bundle import Bundle, bundle, count
from rules.cloud.document import CloudGroup, CloudOptions, CloudRules, Usage
from rules.cloud.peer import Kind, Peer, named_peer, network_peer
from rules.cloud.rule import Rule
from rules.cluster import Role
from rules.errors import UsageError

# A rule names ports of tcp, udp and sctp, and no types of icmp. What tags name may be of both
# families. Destination ranges limit a rule to addresses of pods.
ABILITIES = Abilities(
    "Google VPC firewall rules",
    ported=frozenset({6, 17, 132}),
    icmp_types=False,
    destinations=True,
)
TITLE = "Google Cloud: VPC firewall rules"
# Whether a document is of all roles or of none.
WHOLE = False
# rules of a project (raised on demand), and source ranges of one rule.
QUOTAS = {"rules": 500, "ranges": 5000}
# Names are of RFC 1035, 63 characters; a rule's has a role and a flow behind the prefix.
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,22}[a-z0-9])?")
_NETWORK = re.compile(
    r"(?:projects/[a-z0-9.:-]{1,100}/global/networks/|global/networks/)?"
    r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
)
_PROJECT = re.compile(r"(?:[a-z0-9.-]{1,60}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_TAG = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}@[a-z0-9.-]{1,100}\.gserviceaccount\.com")
# Where Google's health checks and proxies come from
# (https://cloud.google.com/load-balancing/docs/firewall-rules).
_CHECKERS = {
    "proxy": (
        "35.191.0.0/16", "130.211.0.0/22", "2600:2d00:1:b029::/64", "2600:2d00:1:1::/64",
    ),
    "passthrough": ("35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"),
}  # fmt: skip


def check(options: CloudOptions) -> None:
    """Raises UsageError for a name, network, project or tag that the API would not take."""
    if not _NAME.fullmatch(options.name):
        raise UsageError(
            f"--name {options.name!r} cannot begin the name of a firewall rule: it takes small "
            "letters, digits and hyphens, begins with a letter, and has at most 24"
        )
    if options.network and not _NETWORK.fullmatch(options.network):
        raise UsageError(
            "--network takes the name of a network, or projects/PROJECT/global/networks/NAME, not "
            f"{options.network!r}"
        )
    if options.scope and not _PROJECT.fullmatch(options.scope):
        raise UsageError(f"--scope takes the id of a project, not {options.scope!r}")
    known = [role.value for role in Role]
    for role, account in options.accounts:
        if role not in known:
            raise UsageError(f"--service-account: no role is called {role!r}; {', '.join(known)}")
        if not _ACCOUNT.fullmatch(account):
            raise UsageError(
                f"--service-account {role} takes NAME@PROJECT.iam.gserviceaccount.com, not "
                f"{account!r}"
            )
    emails = [account for _, account in options.accounts]
    if len(set(emails)) < len(emails):
        raise UsageError("--service-account: roles that share an account cannot be told apart")
    if options.location:
        raise UsageError("firewall rules of Google are of no region; leave out --location")
    if options.tags:
        raise UsageError("firewall rules of Google carry no labels; leave out --tag")


def named(word: str) -> tuple[Peer, ...]:
    """``proxy`` or ``passthrough`` (Google's health checkers), or a network tag of others.

    Raises UsageError for what is no tag.
    """
    if word in _CHECKERS:
        return tuple(network_peer(ip_network(text)) for text in _CHECKERS[word])
    if _TAG.fullmatch(word):
        return (named_peer(word),)
    raise UsageError(
        f"Google has health checkers (proxy, passthrough) and network tags, not {word!r}"
    )


def _bundles(rules: tuple[Rule, ...], options: CloudOptions) -> tuple[Bundle, ...]:
    """The firewall rules of a group: one holds one family of ranges, or tags."""
    return bundle(
        rules,
        lambda rule: None,
        most_peers=min(options.quota("ranges", QUOTAS["ranges"]), QUOTAS["ranges"]),
    )


def arrange(
    rules: tuple[Rule, ...], receivers: tuple[str, ...], options: CloudOptions
) -> tuple[tuple[CloudGroup, ...], tuple[Usage, ...]]:
    """One group (a network tag) for each role, and how many rules of the project they take.

    Raises UsageError, with the numbers, where they are more than the quota, and where some roles
    have service accounts and others do not: a rule names tags or accounts.
    """
    if options.accounts:
        _check_accounts(rules, receivers, options)
    parts = {role: tuple(rule for rule in rules if rule.receiver == role) for role in receivers}
    groups = tuple(
        CloudGroup(f"{options.name}-{role}", role, 1, mine, _bundles(mine, options))
        for role, mine in parts.items()
    )
    used = sum(count(group.bundles, group.rules) for group in groups)
    most = options.quota("rules", QUOTAS["rules"])
    if used > most:
        raise UsageError(
            f"{used} firewall rules are needed, and the project has {most}; name fewer or wider "
            "sources, or, where Google has raised the quota, --quota rules=N"
        )
    return groups, (Usage("the project", "firewall rules", used, most),)


def _check_accounts(
    rules: tuple[Rule, ...], receivers: tuple[str, ...], options: CloudOptions
) -> None:
    peers = [rule.peer for rule in rules if rule.peer.network is None]
    needed = {*receivers, *(peer.name for peer in peers if peer.kind is Kind.ROLE)}
    if lacking := sorted(needed - set(dict(options.accounts))):
        raise UsageError(
            f"--service-account is missing for {', '.join(lacking)}: all roles or none"
        )
    if tags := [peer.name for peer in peers if peer.kind is Kind.NAMED]:
        raise UsageError(f"a rule names tags ({tags[0]}) or service accounts, never both")


def word(role: str, rules: CloudRules) -> str:
    """The network tag of a role's machines, or their service account where one is given."""
    return dict(rules.options.accounts).get(role) or rules.names[role]


def roles(rules: CloudRules) -> dict[str, str]:
    """What a parser calls our groups, network tags or service accounts, -> their roles."""
    return {word(role, rules): role for role in rules.names}

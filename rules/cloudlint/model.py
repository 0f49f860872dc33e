"""What a document says, as it says it, and what is found in it. Pure values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

from rules.cluster import IPNetwork
from rules.parse.cloud.values import EVERY_PROTOCOL, PROTOCOLS
from rules.record import field, record

ERROR, WARNING = "error", "warning"
# The names that each cloud takes, beside numbers.
PROTOCOL_NAMES = {
    "aws": {"tcp", "udp", "icmp", "icmpv6", "-1", "all"},
    "gcp": {"tcp", "udp", "icmp", "esp", "ah", "ipip", "sctp", "all"},
    "azure": {"tcp", "udp", "icmp", "esp", "ah", "*"},
    "openstack": {
        "any", "tcp", "udp", "icmp", "icmpv6", "ipv6-icmp", "esp", "ah", "sctp", "gre", "vrrp",
        "dccp", "egp", "igmp", "ipip", "ipv6-encap", "ipv6-frag", "ipv6-nonxt", "ipv6-opts",
        "ipv6-route", "ospf", "pgm", "rsvp", "udplite",
    },
}  # fmt: skip
# kind of a sender or receiver: network, group, list (of prefixes), tag, account, service
Party = tuple[str, str]


@record
class Said:
    """One rule. Values are as they are written, None where they are absent or an expression.

    ``ports``: (first, last) for each range; ``malformed``: ports that are no range at all.
    ``sources`` and ``targets``: kind and text; ``hidden``: how many senders are expressions.
    ``everybody``: the cloud takes it as from everywhere, since nobody is named.
    """

    where: str
    name: str | None = None
    description: str | None = None
    egress: bool = False
    deny: bool = False
    protocol: Any = None
    ports: tuple[tuple[Any, Any], ...] = ()
    sources: tuple[Party, ...] = ()
    targets: tuple[Party, ...] = ()
    destinations: tuple[str, ...] = ()
    hidden: int = 0
    everybody: bool = False
    priority: Any = None
    family: str | None = None

    @property
    def number(self) -> int | None:
        """The protocol's number; None for every one, and for what is no protocol."""
        word = str(self.protocol).lower()
        if word.isascii() and word.isdigit():
            return int(word)
        return PROTOCOLS.get(word)

    @property
    def every_protocol(self) -> bool:
        """Whether it is for all of them."""
        return str(self.protocol).lower() in EVERY_PROTOCOL

    @property
    def worldwide(self) -> list[str]:
        """The senders that are everybody."""
        words = [text for _, text in self.sources if text in ("*", "Internet", "Any", "any")]
        words += [text for text in self.texts if (net := network(text)) and net.prefixlen == 0]
        return words or (["anywhere, as no sender is named"] if self.everybody else [])

    @property
    def texts(self) -> list[str]:
        """The senders that are to be networks."""
        return [text for kind, text in self.sources if kind == "network"]


@record
class Group:
    """What rules belong to. ``here``: this document makes it; ``name`` None: it is not said.

    ``network``: in which names differ, as the document calls it.
    """

    where: str
    name: str | None = None
    description: str | None = None
    rules: tuple[Said, ...] = ()
    here: bool = True
    network: str = ""


@record
class Document:
    """One file of one cloud. ``lists``: a prefix list that it makes -> its most entries.

    ``rules_alone``: nothing else of it was read, such as names, descriptions and priorities.
    """

    cloud: str
    form: str
    source: str
    groups: tuple[Group, ...]
    lists: dict[str, int] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    rules_alone: bool = False

    @property
    def rules(self) -> list[Said]:
        """The rules of all groups."""
        return [one for group in self.groups for one in group.rules]

    def quota(self, name: str, default: int) -> int:
        """What the account has, else the cloud's default."""
        return self.quotas.get(name, default)


# A place and what is wrong there.
Place = tuple[str, str]


@record
class LintRule:
    """One thing to look for. ``source``: where it is written that it matters."""

    id: str
    clouds: tuple[str, ...]
    severity: str
    title: str
    source: str
    check: Callable[[Document], Iterator[Place]]


@record
class Found:
    """One finding of a linter rule."""

    rule: LintRule
    file: str
    where: str
    message: str


def network(text: str) -> IPNetwork | None:
    """A network, None for what is none."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def whole(value: Any) -> int | None:
    """A whole number, also as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value)
    return int(text) if text.removeprefix("-").isascii() and text.lstrip("-").isdigit() else None

"""What a packet filter holds: the one model that nft's and both iptables' rulesets map to. Pure.

A ``Rule`` is a row of parts, done from left to right as nftables does it: a match that does not
hold ends the rule, a statement has its effect at once, a verdict decides. What the model has no
word for is ``Unsupported`` and keeps its text, so that an answer that hangs on it can name it.
"""

from __future__ import annotations

from enum import Enum

from rules.record import field, record

# (first, last), both included: ports, marks, addresses as numbers.
Range = tuple[int, int]
# A range, or the name of an interface; a name that ends in * stands for all that begin so.
Field = tuple[int, int] | str
FULL_MASK = 0xFFFFFFFF


@record
class Key:
    """What a match reads of the packet: ``(value & mask) ^ xor``; mask None: the value itself.

    ``name`` is nft's: ``ip saddr``, ``ip6 daddr``, ``meta l4proto``, ``meta nfproto`` (2, 10),
    ``meta protocol`` (ethertype), ``meta iifname``, ``meta oifname``, ``meta mark``,
    ``meta pkttype``, ``tcp dport``, ``udp sport``, ``th dport`` (any protocol with ports),
    ``tcp flags``, ``icmp type``, ``icmpv6 code``, ``ct state``, ``ct status``, ``ct mark``,
    ``ct direction`` (0 original, 1 reply), ``ct original daddr``, ``ct reply proto-src``,
    ``fib daddr type`` (RTN_* number), ``fib saddr oif`` (0 where no route leads back), ``random``
    (a number below ``modulus`` that nobody can foretell). Any other name has an unknown value.
    A packet without the header that a key reads does not match, negated or not.
    """

    name: str
    mask: int | None = None
    xor: int = 0
    modulus: int = 0


@record
class Test:
    """Whether a key's value is in one of the ranges or has one of the names (or in none)."""

    __test__ = False  # not one of pytest's

    key: Key
    fields: tuple[Field, ...]
    negated: bool = False


@record
class Element:
    """An element of a set: one field for each key, all of which must hold.

    ``verdict`` and ``data`` (numbers: address, port, mark) for maps. ``excluded``: ipset's
    ``nomatch``.
    """

    fields: tuple[Field, ...]
    verdict: Verdict | None = None
    data: tuple[int, ...] = ()
    excluded: bool = False


@record
class PacketSet:
    """A set or map of a table, an anonymous one (``name`` empty), or an ipset.

    ``unknown`` says why the contents cannot be told, empty where they can. ``default`` is what a
    verdict map gives for ``*``. ``is_full``: packets can add nothing to it.
    """

    name: str
    elements: tuple[Element, ...]
    unknown: str = ""
    default: Element | None = None
    is_full: bool = False


@record
class Lookup:
    """Whether the values of the keys are an element of a set."""

    keys: tuple[Key, ...]
    set: PacketSet
    negated: bool = False


@record
class AnyOf:
    """Whether one of several matches holds; ``AllOf`` inside where one of them has parts."""

    matches: tuple[Match, ...]
    negated: bool = False


@record
class AllOf:
    """Whether all of several matches hold."""

    matches: tuple[Match, ...]
    negated: bool = False


@record
class Unsupported:
    """A match whose truth cannot be told: ``text`` as its tool prints it."""

    text: str


Match = Test | Lookup | AnyOf | AllOf | Unsupported


class Action(str, Enum):
    """What a rule decides."""

    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"
    RETURN = "return"
    CONTINUE = "continue"
    JUMP = "jump"
    GOTO = "goto"
    QUEUE = "queue"

    def __str__(self) -> str:
        return self.value


@record
class Verdict:
    """A decision; ``chain`` for jump and goto. ``queue``: a program decides, so nobody knows."""

    action: Action
    chain: str = ""


@record
class VerdictMap:
    """The verdict that a map gives for the values of the keys; none found: the rule ends."""

    keys: tuple[Key, ...]
    map: PacketSet


@record
class Nat:
    """``dnat``, ``redirect``, ``snat`` or ``masquerade``: ends the chain as ``accept`` does.

    ``addresses`` and ``ports`` are what it may choose of; None: as it is (``redirect``: an
    address of the interface). ``keys`` and ``map`` where a map gives address and port.
    ``family`` 4 or 6 where the rule says it, else 0.
    """

    kind: str
    addresses: Range | None = None
    ports: Range | None = None
    keys: tuple[Key, ...] = ()
    map: PacketSet | None = None
    family: int = 0


@record
class SetMark:
    """``target`` (``meta mark`` or ``ct mark``) becomes
    ``(target & keep) ^ (source & source_mask) ^ xor``; source None is 0.

    ``unknown`` says why the new value cannot be told, empty where it can.
    """

    target: str
    keep: int = 0
    source: Key | None = None
    source_mask: int = FULL_MASK
    xor: int = 0
    unknown: str = ""


@record
class Untrack:
    """``notrack``: conntrack leaves this packet alone."""


@record
class Touch:
    """Adds to, or takes from, a set while packets pass: its contents are not known after."""

    set_name: str


@record
class Note:
    """A statement without a say: counter, log, comment, TCPMSS."""

    text: str


@record
class UnsupportedStatement:
    """A statement that may decide about the packet, or change it, in a way that is not known."""

    text: str


Statement = Verdict | VerdictMap | Nat | SetMark | Untrack | Touch | Note | UnsupportedStatement
Part = Match | Statement


@record
class Rule:
    """``text`` as the tool prints it. ``handle`` is nft's, ``number`` counts from 1."""

    parts: tuple[Part, ...]
    text: str
    comment: str = ""
    handle: int | None = None
    number: int | None = None

    @property
    def matches(self) -> tuple[Match, ...]:
        """The conditions, without the statements."""
        return tuple(
            part
            for part in self.parts
            if isinstance(part, (Test, Lookup, AnyOf, AllOf, Unsupported))
        )

    @property
    def statement(self) -> Verdict | VerdictMap | Nat | UnsupportedStatement | None:
        """What decides, None where the rule only counts, logs or marks."""
        for part in self.parts:
            if isinstance(part, (Verdict, VerdictMap, Nat, UnsupportedStatement)):
                return part
        return None


@record
class Base:
    """Where a chain hangs: ``hook`` (prerouting, input, forward, output, postrouting, ingress,
    egress).

    ``type`` filter, nat or route; ``priority`` a number; ``policy`` accept or drop; ``devices``
    only for ingress and egress (empty: it is not known which).
    """

    hook: str
    priority: int
    type: str = "filter"
    policy: Action = Action.ACCEPT
    devices: tuple[str, ...] = ()


@record
class Chain:
    """``base`` None: a regular chain, reached by jump and goto only."""

    name: str
    rules: tuple[Rule, ...] = ()
    base: Base | None = None
    handle: int | None = None
    comment: str = ""


@record
class Table:
    """``backend``: ``nft``, ``iptables-nft`` or ``iptables-legacy``; ``family``: ip, ip6, inet,
    netdev, bridge or arp. ``dormant``: its base chains are switched off; None: nobody can tell.
    """

    backend: str
    family: str
    name: str
    chains: dict[str, Chain]
    sets: dict[str, PacketSet] = field(default_factory=dict)
    handle: int | None = None
    comment: str = ""
    dormant: bool | None = False

    def sees(self, family: int) -> bool:
        """Whether IP packets of family 4 or 6 pass its hooks."""
        return self.family in ("inet", "netdev", "ip" if family == 4 else "ip6")


@record
class Hung:
    """A base chain in its table."""

    table: Table
    chain: Chain
    base: Base


@record
class Ruleset:
    """All tables that were read, in the order in which they were read.

    ``bridges``: the host's interfaces that are bridges, so that packets of theirs pass tables of
    the family bridge too; None: not known.
    """

    tables: tuple[Table, ...] = ()
    bridges: frozenset[str] | None = None

    def bases(self, hook: str, family: int) -> list[list[Hung]]:
        """The base chains of a hook that packets of family 4 or 6 pass, in the kernel's order.

        Those that share a priority are one group. Within a table the one made last comes first
        (nf_hook_entries_grow); between tables only the order of registration decides, which
        nothing prints, so a group has its tables in any order.
        """
        groups: dict[tuple[int, int], list[Hung]] = {}
        for table in self.tables:
            if table.dormant or not table.sees(family):
                continue
            for chain in reversed(table.chains.values()):
                if (base := chain.base) is not None and base.hook == hook:
                    place = (_effective(base), base.priority)
                    groups.setdefault(place, []).append(Hung(table, chain, base))
        return [groups[place] for place in sorted(groups)]


# The kernel runs all nat chains of a hook at one place, whatever their own priorities, which only
# put them in order there (net/netfilter/nf_nat_core.c, nf_nat_register_fn).
_NAT_PRIORITIES = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}


def _effective(base: Base) -> int:
    return _NAT_PRIORITIES.get(base.hook, base.priority) if base.type == "nat" else base.priority

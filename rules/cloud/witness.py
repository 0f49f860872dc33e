"""A packet that one rule lets in and no other rule of its list does. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from rules.cloud.rule import Place, Rule
from rules.cluster import IPAddress
from rules.intervals import Interval, combine, normal
from rules.record import record
from rules.space import LAST_PROTOCOL, last_port


@record
class Witness:
    """One packet. ``source`` is None where it comes from a role or a named sender."""

    family: int
    protocol: int
    port: int
    sender: str
    source: IPAddress | None


def witness(rule: Rule, others: Sequence[Rule]) -> Witness | None:
    """A packet that needs ``rule``; None where the others let in all of its packets.

    ``others`` are of any receiver and place; those that could let in none of its packets are
    passed over. A rule to a node also lets in what goes to its pods.
    """
    rivals = [one for one in others if one is not rule and _meets(one, rule)]
    for family in rule.families:
        for protocol in _protocols(rule, rivals):
            there = [one for one in rivals if _carries(one, family, protocol)]
            for port in _ports(rule, protocol, there):
                left = [one for one in there if _has(one, protocol, port)]
                if (found := _sender(rule, left, family)) is not None:
                    return Witness(family, protocol, port, str(rule.peer), found[0])
    return None


def _meets(one: Rule, rule: Rule) -> bool:
    return (
        one.receiver == rule.receiver
        and one.place in (rule.place, Place.NODE)
        and (one.peer.network is not None or one.peer.key == rule.peer.key)
        and (one.protocol is None or rule.protocol is None or one.protocol == rule.protocol)
    )


def _protocols(rule: Rule, rivals: list[Rule]) -> list[int]:
    """The numbers worth a try: one that nobody else names comes first."""
    if rule.protocol is not None:
        return [rule.protocol]
    named = sorted({one.protocol for one in rivals if one.protocol is not None})
    free = next(n for n in range(LAST_PROTOCOL, -1, -1) if n not in named and n not in (1, 58))
    return [free, *named]


def _carries(one: Rule, family: int, protocol: int) -> bool:
    return family in one.families and one.protocol in (None, protocol)


def _ports(rule: Rule, protocol: int, rivals: list[Rule]) -> list[int]:
    """One port of each range over which the rivals do not change."""
    first, last = rule.interval if rule.protocol is not None else (0, last_port(protocol))
    edges = {first}
    for one in rivals:
        if one.protocol is not None:
            edges |= {one.interval[0], one.interval[1] + 1}
    return sorted(edge for edge in edges if first <= edge <= last)


def _has(one: Rule, protocol: int, port: int) -> bool:
    low, high = one.interval if one.protocol is not None else (0, last_port(protocol))
    return low <= port <= high


def _sender(rule: Rule, rivals: list[Rule], family: int) -> tuple[IPAddress | None] | None:
    network = rule.peer.network
    if network is None:
        rest = any(one.peer.network is None or one.peer.anywhere for one in rivals)
        return None if rest else (None,)
    whole: Interval = (int(network.network_address), int(network.broadcast_address))
    taken = normal(
        (int(one.peer.network.network_address), int(one.peer.network.broadcast_address))
        for one in rivals
        if one.peer.network is not None
    )
    left = combine((whole,), taken, lambda mine, theirs: mine and not theirs)
    if not left:
        return None
    return (ip_address(left[0][0].to_bytes(4 if family == 4 else 16, "big")),)

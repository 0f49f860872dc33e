"""What a parsed ruleset lets through, as packet space: a small oracle for rulesets of ours.

It knows what our renderers write and raises for the rest. New connections only, coming in by
eth0, to one given destination, without address translation (so the original port is the port).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from rules.cluster import IPAddress
from rules.intervals import normal
from rules.ruleset import (
    Action,
    AllOf,
    AnyOf,
    Key,
    Lookup,
    Match,
    Note,
    Rule,
    Ruleset,
    Table,
    Test,
    Verdict,
)
from rules.space import EMPTY, Box, Space, last_port

# A protocol that no rule names stands for all such.
NAMELESS = 253
PROTOCOLS = (1, 4, 6, 17, 41, 47, 50, 51, 58, 112, 132, NAMELESS)
PORTED = (6, 17, 132)
_NEW = 8
_PORTS = {"tcp": 6, "udp": 17, "sctp": 132}


def universe(family: int) -> Space:
    whole = ip_network("0.0.0.0/0" if family == 4 else "::/0")
    return Space.of(Box.of(whole, protocol) for protocol in PROTOCOLS)


def restricted(space: Space, family: int) -> Space:
    """The part of a space that the judge can tell apart."""
    return Space(
        tuple(
            (key, plane) for key, plane in space.planes if key[0] == family and key[1] in PROTOCOLS
        )
    )


class Judge:
    """One hook of a ruleset, for packets to one destination.

    ``policy``: instead of each base chain's own: what do the rules themselves accept?
    """

    def __init__(
        self, ruleset: Ruleset, hook: str, destination: IPAddress, *, policy: Action | None = None
    ) -> None:
        self._ruleset, self._hook, self._policy = ruleset, hook, policy
        self._destination = destination
        self.family = destination.version
        self._all = universe(self.family)
        self._known: dict[Match, Space] = {}

    def admitted(self) -> Space:
        """What passes every base chain of the hook."""
        passing = self._all
        for group in self._ruleset.bases(self._hook, self.family):
            for hung in group:
                accepted, rest = self._chain(hung.table, hung.chain.rules, passing)
                if (self._policy or hung.base.policy) is Action.ACCEPT:
                    accepted |= rest
                passing = accepted
        return passing

    def _chain(self, table: Table, rules: Iterable[Rule], packets: Space) -> tuple[Space, Space]:
        """(accepted, come to the chain's end)."""
        accepted, returned = EMPTY, EMPTY
        for rule in rules:
            matched = self._matched(rule.matches, packets)
            verdict = next((part for part in rule.parts if isinstance(part, Verdict)), None)
            rest = [part for part in rule.parts if part not in rule.matches and part != verdict]
            assert all(isinstance(part, Note) for part in rest), rule.text
            if verdict is None or not matched:
                continue
            packets -= matched
            if verdict.action is Action.ACCEPT:
                accepted |= matched
            elif verdict.action is Action.RETURN:
                returned |= matched
            elif verdict.action in (Action.JUMP, Action.GOTO):
                inside, after = self._chain(table, table.chains[verdict.chain].rules, matched)
                accepted |= inside
                if verdict.action is Action.JUMP:
                    packets |= after
                else:
                    returned |= after
            else:
                assert verdict.action in (Action.DROP, Action.REJECT), rule.text
        return accepted, packets | returned

    def _matched(self, matches: Iterable[Match], packets: Space) -> Space:
        for match in matches:
            if not packets:
                break
            packets &= self._space(match)
        return packets

    def _space(self, match: Match) -> Space:
        found = self._known.get(match)
        if found is None:
            found = self._known[match] = self._make(match)
        return found

    def _make(self, match: Match) -> Space:
        if isinstance(match, Test):
            return self._test(match.key, list(match.fields), match.negated)
        if isinstance(match, Lookup):
            assert len(match.keys) == 1, match
            assert not match.set.unknown
            fields = [element.fields[0] for element in match.set.elements]
            return self._test(match.keys[0], fields, match.negated)
        if isinstance(match, AllOf):
            inside = self._matched(match.matches, self._all)
        elif isinstance(match, AnyOf):
            inside = EMPTY
            for one in match.matches:
                inside |= self._space(one)
        else:
            raise AssertionError(f"the judge does not know {match}")
        return self._all - inside if match.negated else inside

    def _test(self, key: Key, fields: Sequence[object], negated: bool) -> Space:
        name = key.name
        if name == "meta iifname":
            return self._constant("eth0" in fields, negated)
        ranges = [field for field in fields if isinstance(field, tuple)]
        assert len(ranges) == len(fields), (name, fields)
        numbers = {"ct state": _NEW, "ct status": 0, "meta nfproto": 2 if self.family == 4 else 10}
        if name in numbers:
            value = numbers[name] if key.mask is None else numbers[name] & key.mask
            return self._constant(any(a <= value <= b for a, b in ranges), negated)
        assert key.mask is None, key
        word, _, field = name.partition(" ")
        own = {"ip": 4, "ip6": 6, "icmp": 4, "icmpv6": 6}.get(word, self.family)
        if own != self.family:
            return EMPTY
        if name in ("ip daddr", "ip6 daddr"):
            here = int(self._destination)
            return self._constant(any(a <= here <= b for a, b in ranges), negated)
        domain, inside = self._boxes(word, field, ranges)
        return domain - inside if negated else domain & inside

    def _boxes(self, word: str, field: str, ranges: list[tuple[int, int]]) -> tuple[Space, Space]:
        """(packets that have the field, packets whose field is in the ranges)."""
        family, sources = self.family, [(0, 2 ** (32 if self.family == 4 else 128) - 1)]
        if field == "saddr" and word in ("ip", "ip6"):
            boxes = [
                Box(family, number, source, (0, last_port(number)))
                for number in PROTOCOLS
                for source in normal(ranges)
            ]
            return self._all, Space.of(boxes)
        if (word, field) == ("meta", "l4proto"):
            wanted = [number for number in PROTOCOLS if any(a <= number <= b for a, b in ranges)]
            return self._all, self._of(wanted, sources, [])
        if field == "dport" or (word, field) == ("ct", "original proto-dst"):
            numbers = [_PORTS[word]] if word in _PORTS else list(PORTED)
        elif word in ("icmp", "icmpv6") and field == "type":
            numbers = [1 if word == "icmp" else 58]
        elif (word, field) == ("ah", "spi"):
            return self._of([51], sources, []), self._of([51], sources, [])
        else:
            raise AssertionError(f"the judge does not know {word} {field}")
        return self._of(numbers, sources, []), self._of(numbers, sources, ranges)

    def _of(
        self, numbers: list[int], sources: list[tuple[int, int]], ports: list[tuple[int, int]]
    ) -> Space:
        return Space.of(
            Box(self.family, number, source, chosen)
            for number in numbers
            for source in sources
            for chosen in ports or [(0, last_port(number))]
        )

    def _constant(self, holds: bool, negated: bool) -> Space:
        return self._all if holds is not negated else EMPTY

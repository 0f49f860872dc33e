"""Rules of one sender and range each -> the fewest of many senders and many ranges each. Pure.

Google's and Microsoft's rules hold lists on both sides; every sender of a rule may send everything
that the rule names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from rules.cloud.peer import Peer
from rules.cloud.rule import Place, Rule
from rules.intervals import Interval
from rules.record import record

_One = TypeVar("_One", bound=Hashable)
_Other = TypeVar("_Other", bound=Hashable)
Service = tuple[int | None, Interval | None]


@record
class Bundle:
    """One rule with lists. ``family`` is that of its addresses, 0 for references of both."""

    receiver: str
    place: Place
    family: int
    peers: tuple[Peer, ...]
    services: tuple[Service, ...]
    flows: tuple[str, ...]

    @property
    def references(self) -> bool:
        """Whether its senders are named, and not addresses."""
        return self.peers[0].network is None

    def ports(self, protocol: int | None) -> tuple[str, ...]:
        """The ranges of one protocol as clouds write them; none for all ports."""
        found = [ports for number, ports in self.services if number == protocol]
        if None in found:
            return ()
        return tuple(
            str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
            for ports in found
            if ports is not None
        )

    @property
    def protocols(self) -> tuple[int | None, ...]:
        """Each protocol once, in order."""
        return tuple(dict.fromkeys(number for number, _ in self.services))

    def rules(self) -> Iterator[Rule]:
        """The same as single rules."""
        for peer in self.peers:
            for protocol, ports in self.services:
                families = (self.family,) if self.family else (4, 6)
                yield Rule(self.receiver, self.place, families, peer, protocol, ports, self.flows)


def bundle(
    rules: Iterable[Rule], apart: Callable[[Rule], Hashable], *, most_peers: int = 10**9
) -> tuple[Bundle, ...]:
    """The bundles of some rules, in the order of their first rule.

    ``apart``: rules for which it differs stay in different bundles, as the cloud demands; receiver,
    place, family and the kind of sender keep rules apart anyway. ``most_peers`` a bundle.
    """
    classes: dict[Hashable, list[Rule]] = {}
    for rule in rules:
        key = (rule.receiver, rule.place, _family(rule), rule.peer.kind, apart(rule))
        classes.setdefault(key, []).append(rule)
    return tuple(one for listed in classes.values() for one in _cut(_bundles(listed), most_peers))


def _family(rule: Rule) -> int:
    """References to pods are cut by family, since what limits them to pods is addresses."""
    if rule.peer.network is not None:
        return rule.peer.family
    return rule.families[0] if rule.place is Place.PODS and len(rule.families) == 1 else 0


def _bundles(rules: list[Rule]) -> list[Bundle]:
    """Cut by sender or by service, whichever gives fewer."""
    by_peer = _grouped((rule.peer, (rule.protocol, rule.ports)) for rule in rules)
    by_service = _grouped(((rule.protocol, rule.ports), rule.peer) for rule in rules)
    chosen: list[tuple[tuple[Peer, ...], tuple[Service, ...]]]
    if len(by_peer) <= len(by_service):
        chosen = [(peers, services) for services, peers in by_peer]
    else:
        chosen = [(peers, services) for peers, services in by_service]
    made: list[Bundle] = []
    for peers, services in chosen:
        inside = set(peers), set(services)
        flows = (
            flow
            for rule in rules
            if rule.peer in inside[0] and (rule.protocol, rule.ports) in inside[1]
            for flow in rule.flows
        )
        first = rules[0]
        made.append(
            Bundle(
                first.receiver,
                first.place,
                _family(first),
                peers,
                services,
                tuple(dict.fromkeys(flows)),
            )
        )
    return made


def _grouped(
    pairs: Iterable[tuple[_One, _Other]],
) -> list[tuple[tuple[_Other, ...], tuple[_One, ...]]]:
    """(one, other) pairs -> (others, ones): the ones that have equally many of the same others."""
    others: dict[_One, list[_Other]] = {}
    for one, other in pairs:
        others.setdefault(one, []).append(other)
    groups: dict[tuple[_Other, ...], list[_One]] = {}
    for one, listed in others.items():
        groups.setdefault(tuple(listed), []).append(one)
    return [(key, tuple(ones)) for key, ones in groups.items()]


def _cut(bundles: list[Bundle], most: int) -> Iterator[Bundle]:
    for one in bundles:
        for first in range(0, len(one.peers), most):
            yield Bundle(**{**vars(one), "peers": one.peers[first : first + most]})

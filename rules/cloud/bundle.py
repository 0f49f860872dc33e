"""Rules of one sender and range each -> the fewest of many senders and many ranges each. Pure.

Google's and Microsoft's rules hold lists on both sides; every sender of a rule may send everything
that the rule names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator

from rules.cloud.peer import Peer
from rules.cloud.rule import Place, Rule
from rules.intervals import Interval
from rules.record import record

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


def count(bundles: Iterable[Bundle], rules: Iterable[Rule]) -> int:
    """How many rules of a cloud some bundles are. ``rules``: what they were made of.

    A bundle to pods from groups is one for each family of pods, since their addresses cannot be
    mixed.
    """
    families = {family for rule in rules if rule.place is Place.PODS for family in rule.families}
    return sum(
        len(families) if one.place is Place.PODS and not one.family else 1 for one in bundles
    )


def _family(rule: Rule) -> int:
    """References to pods are cut by family, since what limits them to pods is addresses."""
    if rule.peer.network is not None:
        return rule.families[0]
    return rule.families[0] if rule.place is Place.PODS and len(rule.families) == 1 else 0


def _bundles(rules: list[Rule]) -> list[Bundle]:
    """Cut by sender or by service, whichever gives fewer."""
    senders, peers = _numbered_peers(rules)
    services: dict[Service, int] = {}
    for rule in rules:
        services.setdefault((rule.protocol, rule.ports), len(services))
    sent = [services[rule.protocol, rule.ports] for rule in rules]
    by_sender = _grouped(senders, sent)
    by_service = _grouped(sent, senders)
    names = list(services)
    chosen: list[tuple[tuple[int, ...], tuple[int, ...]]]
    if len(by_sender) <= len(by_service):
        chosen, cut = [(ones, others) for others, ones in by_sender], senders
        homes = {one: place for place, (_, ones) in enumerate(by_sender) for one in ones}
    else:
        chosen, cut = [(others, ones) for others, ones in by_service], sent
        homes = {one: place for place, (_, ones) in enumerate(by_service) for one in ones}
    flows: list[dict[str, None]] = [{} for _ in chosen]
    for one, rule in zip(cut, rules, strict=True):
        flows[homes[one]].update(dict.fromkeys(rule.flows))
    first = rules[0]
    return [
        Bundle(
            first.receiver,
            first.place,
            _family(first),
            tuple(peers[one] for one in ones),
            tuple(names[one] for one in others),
            tuple(named),
        )
        for (ones, others), named in zip(chosen, flows, strict=True)
    ]


def _numbered_peers(rules: list[Rule]) -> tuple[list[int], list[Peer]]:
    """For each rule the number of its sender, and the senders by number.

    A sender is one object in many rules, and an object is told by its id faster than by its value.
    """
    by_id: dict[int, int] = {}
    by_value: dict[Peer, int] = {}
    numbers: list[int] = []
    for rule in rules:
        number = by_id.get(id(rule.peer))
        if number is None:
            number = by_id[id(rule.peer)] = by_value.setdefault(rule.peer, len(by_value))
        numbers.append(number)
    return numbers, list(by_value)


def _grouped(ones: list[int], others: list[int]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pairs of numbers -> (others, ones): the ones that have equally many of the same others."""
    having: dict[int, list[int]] = {}
    for one, other in zip(ones, others, strict=True):
        having.setdefault(one, []).append(other)
    groups: dict[tuple[int, ...], list[int]] = {}
    for one, listed in having.items():
        groups.setdefault(tuple(listed), []).append(one)
    return [(key, tuple(listed)) for key, listed in groups.items()]


def _cut(bundles: list[Bundle], most: int) -> Iterator[Bundle]:
    for one in bundles:
        for first in range(0, len(one.peers), most):
            yield Bundle(**{**vars(one), "peers": one.peers[first : first + most]})

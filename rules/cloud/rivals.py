"""Which rules of a list could let in packets of another one, without looking at each. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from rules.cloud.rule import Rule
from rules.space import extent

# Of the same receiver and family; a network is its first address and the length of its prefix.
_Key = tuple[str, int]
_Net = tuple[int, int]


class Rivals:
    """Rules by their senders: networks nest or are apart, so that those near one are a few.

    ``near`` gives every rule that shares a receiver and addresses, or the sender's name, with
    another: a superset of those that share packets.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._named: dict[tuple[str, str], list[Rule]] = {}
        self._networks: dict[_Key, dict[_Net, list[Rule]]] = {}
        self._anywhere: dict[str, list[Rule]] = {}
        for rule in rules:
            network = rule.peer.network
            if network is None:
                self._named.setdefault((rule.receiver, rule.peer.key), []).append(rule)
                continue
            if network.prefixlen == 0:
                self._anywhere.setdefault(rule.receiver, []).append(rule)
            key = (rule.receiver, network.version)
            place = (int(network.network_address), network.prefixlen)
            self._networks.setdefault(key, {}).setdefault(place, []).append(rule)
        self._order = {key: sorted(known) for key, known in self._networks.items()}
        self._lengths = {
            key: sorted({length for _, length in known}) for key, known in self._networks.items()
        }

    def remove(self, rule: Rule) -> None:
        """Forgets one of the rules, the very object."""
        for listed in self._lists(rule):
            listed[:] = [one for one in listed if one is not rule]

    def near(self, rule: Rule) -> Iterator[Rule]:
        """The rules of the list, ``rule`` itself among them if it is there."""
        network = rule.peer.network
        if network is None:
            # What everybody may do, whoever carries a group may do too.
            yield from self._named.get((rule.receiver, rule.peer.key), ())
            yield from self._anywhere.get(rule.receiver, ())
            return
        key = (rule.receiver, network.version)
        known = self._networks.get(key, {})
        first, last = extent(network)
        bits = network.max_prefixlen
        for length in self._lengths.get(key, ()):
            if length >= network.prefixlen:
                break
            yield from known.get((first >> (bits - length) << (bits - length), length), ())
        order = self._order.get(key, [])
        for place in order[bisect_left(order, (first, network.prefixlen)) :]:
            if place[0] > last:
                break
            yield from known[place]

    def _lists(self, rule: Rule) -> Iterator[list[Rule]]:
        network = rule.peer.network
        if network is None:
            yield self._named[rule.receiver, rule.peer.key]
            return
        if network.prefixlen == 0:
            yield self._anywhere[rule.receiver]
        place = (int(network.network_address), network.prefixlen)
        yield self._networks[rule.receiver, network.version][place]

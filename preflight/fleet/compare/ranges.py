"""Each node's part of the pod range must be its own."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from preflight.checks.registry import Judgement, failed, passed
from preflight.facts.model.known import Unknown
from preflight.fleet.card import Deck, Filed, shown
from preflight.fleet.compare.words import named, not_known

_Range = tuple[int, int, int, str, Filed]


def disjoint(deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement for each group of ranges that overlap, or one that none do."""
    ranges: list[_Range] = []
    unknown: list[tuple[Filed, str]] = []
    for item in deck.cards:
        subnets = item.card.node_pod_subnets
        if isinstance(subnets, Unknown):
            unknown.append((item, subnets.message))
            continue
        for text in subnets:
            try:
                network = ip_network(text)
            except ValueError:
                unknown.append((item, f"{shown(text)!r} is no range"))
                continue
            first = int(network.network_address)
            ranges.append((network.version, first, first + network.num_addresses - 1, text, item))
    ranges.sort(key=lambda one: one[:2])
    found = False
    for group in _groups(ranges):
        # One node's own ranges are for its own check (cni-conf-valid), and two machines of one name
        # are one node to Kubernetes, with one range: hostname-unique is about them.
        if any(one[4].card.node != group[0][4].card.node for one in group):
            found = True
            yield _overlap(group)
    if unknown:
        yield not_known("the pod range", unknown)
    if ranges and not found:
        yield passed(f"{len(ranges)} pod ranges of nodes, none in another")


def _groups(ranges: list[_Range]) -> Iterator[list[_Range]]:
    """Runs of ranges, sorted by first address, in which each begins before the others end."""
    group: list[_Range] = []
    end = -1
    for one in ranges:
        family, first, last = one[:3]
        if group and group[0][0] == family and first <= end:
            group.append(one)
            end = max(end, last)
            continue
        if len(group) > 1:
            yield group
        group, end = [one], last
    if len(group) > 1:
        yield group


def _overlap(group: list[_Range]) -> Judgement:
    texts = list(dict.fromkeys(one[3] for one in group))
    labels = tuple(dict.fromkeys(one[4].label for one in group))
    return failed(
        f"pods of {named(labels)} would get the same addresses: {named(texts)} overlap"
        if len(texts) > 1
        else f"pods of {named(labels)} would get the same addresses: all have {texts[0]}",
        subject=named(texts),
        observed=named(texts),
        expected="a range of its own for each node",
        remedy="give each node another part of networking.podSubnet (nodes[].podSubnet, and the "
        "subnet in its CNI configuration)",
        nodes=labels,
    )

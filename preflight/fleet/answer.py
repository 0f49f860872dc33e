"""Cards and probe reports of a whole run -> its findings, and who reaches whom. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from preflight.checks.peers import CLOCK_LEEWAY_MS, clock_off, placed, remedy
from preflight.checks.registry import Judgement, failed, passed, skipped, undetermined, warned
from preflight.fleet.card import Deck, shown
from preflight.fleet.compare.words import named
from preflight.fleet.deck import admitted, sharing
from preflight.fleet.gathered import Gathered, Probed
from preflight.fleet.reach.settle import by_card
from rules.record import record


@record
class Cell:
    """One sender and one peer: ``flows`` maps a port to its outcome and reason."""

    sender: str
    peer: str
    flows: dict[str, tuple[str, str]]

    @property
    def worst(self) -> str:
        """``open`` where all are, else the first that is not."""
        return next((outcome for outcome, _ in self.flows.values() if outcome != "open"), "open")


@record
class Sorted:
    """``plain``: probes between nodes that can be told apart. ``unclear``: those to and from an
    address that several nodes have, by the labels of these."""

    plain: tuple[Probed, ...]
    unclear: dict[tuple[str, ...], tuple[Probed, ...]]

    @property
    def every(self) -> tuple[Probed, ...]:
        """All of them."""
        return (*self.plain, *chain.from_iterable(self.unclear.values()))


def sort(gathered: Gathered, deck: Deck) -> Sorted:
    """The probes, those whose place the sender could not tell laid by the peer's card."""
    shared = sharing(deck)
    words = admitted(deck.cards)
    plain: list[Probed] = []
    unclear: dict[tuple[str, ...], list[Probed]] = defaultdict(list)
    for probe in gathered.probes:
        if probe.layer == "unknown" and probe.outcome == "filtered":
            probe = _laid(probe, words.get((probe.peer, probe.label), ""))
        if shared and (labels := shared.get(probe.peer) or shared.get(probe.sender)):
            told = f"who answers is not known: {named(labels)} have one address"
            unclear[labels].append(probe._replace(outcome="unknown", layer="", detail=told))
        else:
            plain.append(probe)
    return Sorted(tuple(plain), {labels: tuple(found) for labels, found in unclear.items()})


def _laid(probe: Probed, word: str) -> Probed:
    kept_out = by_card(word)
    if kept_out is None:
        return probe
    layer, detail = kept_out
    return probe._replace(layer=layer.value, detail=detail)


def reach(gathered: Gathered, probes: Sorted, deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement for each peer, port, outcome and place, with all its senders; one for
    each node that full packets do not get to or from, whatever the port; one for nodes that did not
    probe, one for each group with one address, one for what is open."""
    groups: dict[tuple[str, str, str, str], list[Probed]] = defaultdict(list)
    narrow: list[Probed] = []
    opened = 0
    for probe in probes.plain:
        if probe.outcome == "open" and not probe.warning:
            opened += 1
        elif probe.outcome == "mtu":
            narrow.append(probe)
        else:
            groups[probe.peer, probe.label, probe.outcome, probe.layer].append(probe)
    for (peer, label, outcome, layer), alike in groups.items():
        yield _group(peer, label, outcome, layer, alike)
    for (node, _), alike in _at_one_end(narrow).items():
        yield _narrow(node, alike)
    for labels, found in probes.unclear.items():
        # That they do is the finding, address-duplicate, and this is what follows from it.
        yield skipped(
            f"{len(found)} probes are not judged, as {named(labels)} have one address and nobody "
            "knows which of them answers: see address-duplicate",
            subject=named(labels),
        )
    if gathered.probes or gathered.probers:
        probers = frozenset(gathered.probers)
        silent = tuple([item.label for item in deck.cards if item.card.node not in probers])
        if silent:
            yield undetermined(
                f"{named(silent)} did not probe: what they reach is not known",
                subject="not probed",
                remedy="run nodeprep probe there, and gather its report",
                nodes=silent,
            )
    if opened:
        yield passed(f"{opened} of {len(gathered.probes)} probed ports are open", subject="open")


def _group(peer: str, label: str, outcome: str, layer: str, probes: list[Probed]) -> Judgement:
    senders = tuple(dict.fromkeys(shown(probe.sender) for probe in probes))
    first, to = probes[0], shown(peer)
    message = (
        f"{label} ({first.component}) to {to} is {outcome}{placed(layer, 'the sender')} from "
        f"{named(senders)}: {first.detail}"
    )
    subject = f"{to} {label}"
    nodes = tuple(dict.fromkeys((to, *senders)))
    if outcome == "unknown":
        return undetermined(message, subject=subject, nodes=nodes)
    say = warned if all(probe.warning for probe in probes) else failed
    return say(
        message,
        subject=subject,
        observed=outcome,
        expected="open",
        remedy=remedy(outcome, layer, label, to, shown(first.peer_role), "the senders"),
        nodes=nodes,
    )


def _at_one_end(probes: list[Probed]) -> dict[tuple[str, bool], list[Probed]]:
    """(node, whether it is a warning) -> probes whose full packets are lost on the way to or from
    it: of the two ends of each the one that has more such ways, or else the one that was probed."""
    ends: dict[str, set[str]] = defaultdict(set)
    for probe in probes:
        ends[probe.sender].add(probe.peer)
        ends[probe.peer].add(probe.sender)
    found: dict[tuple[str, bool], list[Probed]] = defaultdict(list)
    for probe in probes:
        more = len(ends[probe.sender]) > len(ends[probe.peer])
        found[probe.sender if more else probe.peer, probe.warning].append(probe)
    return found


def _narrow(node: str, probes: list[Probed]) -> Judgement:
    """A way is narrow for all ports alike, and mostly in both directions."""
    one, first = shown(node), probes[0]
    ends = [shown(probe.peer if probe.sender == node else probe.sender) for probe in probes]
    others = tuple(dict.fromkeys(ends))
    labels = tuple(dict.fromkeys(probe.label for probe in probes))
    say = warned if first.warning else failed
    return say(
        f"full packets between {one} and {named(others)} do not pass"
        f"{placed(first.layer, 'the sender')}: {first.detail} (seen at {named(labels)})",
        subject=f"{one} MTU",
        observed="mtu",
        expected="open",
        remedy=remedy("mtu", first.layer, first.label, one, shown(first.peer_role), "the senders"),
        nodes=(one, *others),
    )


def clocks(probes: Iterable[Probed]) -> Iterator[Judgement]:
    """Shape: one judgement for each node whose clock most others see to be off, or one for all.

    A sender whose own clock is off sees all others off; so the median of what a node is told
    counts, beside what it sees itself.
    """
    seen: dict[str, list[float]] = defaultdict(list)
    for probe in probes:
        if probe.clock_ms is not None:
            # The peer is ahead of the sender by this much, and the sender of the peer by less it.
            seen[probe.peer].append(probe.clock_ms)
            seen[probe.sender].append(-probe.clock_ms)
    off = False
    for node, differences in seen.items():
        middle = sorted(differences)[len(differences) // 2]
        if abs(middle) > CLOCK_LEEWAY_MS:
            off = True
            yield clock_off(shown(node), middle, "the others'")
    if seen and not off:
        yield passed(f"the clocks of {len(seen)} nodes were measured, and none is off")


def cells(probes: Iterable[Probed]) -> list[Cell]:
    """Who reaches whom, by pair. A port that is tried in two families has the worse outcome."""
    found: dict[tuple[str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
    for probe in probes:
        flows = found[probe.sender, probe.peer]
        outcome = probe.outcome if probe.outcome != "open" or not probe.warning else "lossy"
        if flows.get(probe.label, ("open", ""))[0] == "open":
            flows[probe.label] = (outcome, probe.detail)
    return [Cell(sender, peer, flows) for (sender, peer), flows in found.items()]


def role_ports(probes: Iterable[Probed]) -> Mapping[tuple[str, str], dict[str, tuple[int, int]]]:
    """(sender's role, peer's role) -> port -> how many were open, and how many probed."""
    tried: Counter[tuple[str, str, str]] = Counter()
    opened: Counter[tuple[str, str, str]] = Counter()
    for probe in probes:
        key = (probe.sender_role, probe.peer_role, probe.label)
        tried[key] += 1
        opened[key] += probe.outcome == "open"
    found: dict[tuple[str, str], dict[str, tuple[int, int]]] = defaultdict(dict)
    for (sender, peer, label), count in sorted(tried.items()):
        found[sender, peer][label] = (opened[sender, peer, label], count)
    return found

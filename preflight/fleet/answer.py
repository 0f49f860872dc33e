"""Cards and probe reports of a whole run -> its findings, and who reaches whom. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from preflight.checks.peers import CLOCK_LEEWAY_MS
from preflight.checks.registry import ERROR, Judgement, failed, passed, undetermined, warned
from preflight.fleet.card import Deck, shown
from preflight.fleet.compare.words import named
from preflight.fleet.gathered import Gathered, Probed
from rules.record import record

_PLACES = {
    "no-listener": "no listener",
    "own-firewall": "the sender's packet filter",
    "peer-firewall": "the peer's packet filter",
    "network": "the network between",
    "unknown": "not known where",
}
_ADVICE = {
    "no-listener": "start nodeprep listen there, or free the port; then probe again",
    "own-firewall": "take the rule away on the senders, or add one before it",
    "peer-firewall": "on the peer: nodeprep firewall apply --role {role} --posture allow",
    "network": "open the port in what is between the nodes: routers, security groups, switches",
    "unknown": "gather the peer's card, and run nodeprep listen as root there",
    "": "probe again with nodeprep probe on one of the senders",
}


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


def reach(gathered: Gathered, deck: Deck) -> Iterator[Judgement]:
    """Shape: one judgement for each peer, port, outcome and place, with all its senders; one for
    nodes that did not probe; one for what is open."""
    groups: dict[tuple[str, str, str, str], list[Probed]] = defaultdict(list)
    opened = 0
    for probe in gathered.probes:
        if probe.outcome == "open" and not probe.warning:
            opened += 1
        else:
            groups[probe.peer, probe.label, probe.outcome, probe.layer].append(probe)
    for (peer, label, outcome, layer), probes in groups.items():
        yield _group(peer, label, outcome, layer, probes)
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
    first = probes[0]
    place = f" [{_PLACES[layer]}]" if layer in _PLACES else ""
    message = (
        f"{label} ({first.component}) to {shown(peer)} is {outcome}{place} from {named(senders)}: "
        f"{first.detail}"
    )
    subject = f"{shown(peer)} {label}"
    nodes = tuple(dict.fromkeys((shown(peer), *senders)))
    if outcome == "unknown":
        return undetermined(message, subject=subject, nodes=nodes)
    say = warned if all(probe.warning for probe in probes) else failed
    return say(
        message,
        subject=subject,
        observed=outcome,
        expected="open",
        remedy=_ADVICE.get(layer, _ADVICE[""]).replace("{role}", shown(first.peer_role)),
        nodes=nodes,
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
            way = "ahead of" if middle > 0 else "behind"
            yield failed(
                f"the clock of {shown(node)} is {abs(middle) / 1000:.0f} s {way} the others'",
                subject=shown(node),
                observed=f"{middle / 1000:.1f} s",
                expected=f"within {CLOCK_LEEWAY_MS / 1000:.0f} s",
                remedy="chronyc makestep, or timedatectl set-ntp true",
                severity=ERROR,
                nodes=(shown(node),),
            )
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

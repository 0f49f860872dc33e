"""Whether the node reaches its peers: judged where probes were asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from preflight.checks.registry import (
    ERROR,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
    warned,
)
from preflight.facts.model import Facts
from preflight.fleet.reach.model import Layer, Outcome, Reach
from preflight.target import Target

# The same leeway as between cards (preflight.fleet.compare.clock).
CLOCK_LEEWAY_MS = 60_000.0
# By the values of Layer; ``{sender}`` is one host, or several.
_PLACES = {
    "no-listener": "no listener",
    "own-firewall": "{sender}'s packet filter",
    "peer-firewall": "the peer's packet filter",
    "network": "the network between",
    "unknown": "not known where",
}


@check(
    "peer-reachable",
    title="Each flow that the node must send reaches its peers",
    why="Everything installs where a firewall between two racks eats the pod network's port; pods "
    "then fail to reach each other, now and then, and only on some nodes.",
    source="https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    applies="With --peer, and `nodeprep listen` on the peers. TCP and UDP on their real ports, "
    "echo, IPIP, IPv6, GRE, ESP and AH as they are; small and full packets with DF",
)
def peer_reachable(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each port of each address of each peer."""
    for reach in target.reaches or ():
        yield judged(reach)


def not_probed(flow: str) -> Judgement:
    """What the node must be able to send, and no probe can carry; ``flow`` with the reason."""
    return skipped(f"not probed: {flow}", subject=flow.partition(":")[0])


def judged(reach: Reach) -> Judgement:
    """The verdict on one errand as a judgement."""
    errand = reach.errand
    name = errand.peer.name
    where = name if name == str(errand.address) else f"{name} ({errand.address})"
    subject = f"{name} {errand.label} {errand.address}"
    said = f"{errand.label} ({errand.component}) to {where}"
    if reach.outcome is Outcome.OPEN and not reach.warning:
        return passed(f"{said}: {reach.detail}", subject=subject, observed=reach.outcome.value)
    if reach.outcome is Outcome.UNKNOWN:
        return undetermined(f"{said}: {reach.detail}", subject=subject, nodes=(name,))
    place = placed(reach.layer, "this host")
    message = f"{said} is {reach.outcome.value}{place}: {reach.detail}"
    advice = remedy(
        reach.outcome, reach.layer, errand.label, name, errand.peer.role.value, "this host"
    )
    if reach.warning:
        return warned(
            message,
            subject=subject,
            observed=reach.outcome.value,
            expected="open",
            remedy=advice,
            nodes=(name,),
        )
    return failed(
        message,
        subject=subject,
        observed=reach.outcome.value,
        expected="open",
        remedy=advice,
        nodes=(name,),
    )


def placed(layer: str, sender: str) -> str:
    """Where it went wrong, in brackets; empty where nothing did, or nobody knows the word."""
    place = _PLACES.get(layer, "")
    return f" [{place.replace('{sender}', sender)}]" if place else ""


def remedy(outcome: str, layer: str, label: str, peer: str, role: str, sender: str) -> str:
    """What a person does about an outcome at a layer; ``label`` is the port, ``role`` the peer's.

    ``sender``: ``this host``, or ``the senders`` of a report about many.
    """
    if outcome == Outcome.MTU:
        return (
            "let routers send ICMP fragmentation-needed (IPv4 3/4, IPv6 2/0), or give the links of "
            "all nodes the smaller MTU"
        )
    if layer == Layer.PEER_FIREWALL:
        return f"on {peer}: nodeprep firewall apply --role {role} --posture allow"
    if layer == Layer.OWN_FIREWALL:
        return f"let {sender} send {label}: take the rule away, or add one before it"
    if outcome == Outcome.WRONG and layer == Layer.NO_LISTENER:
        return f"stop that program on {peer}, or give it another port"
    if layer == Layer.NO_LISTENER:
        return f"on {peer}: nodeprep listen --role {role}, with the same key; then probe again"
    if outcome == Outcome.ASYMMETRIC:
        return (
            f"look for a rule between the nodes that drops packets from {label} of {peer}, or a "
            "route back by another way"
        )
    if layer == Layer.NETWORK:
        return (
            f"open {label} towards {peer} in what is between the nodes: routers, security groups, "
            "switches"
        )
    return (
        f"run nodeprep listen --role {role} as root on {peer}, or give its card with --card-dir, "
        "to see which rules it has"
    )


def clocks(reaches: Iterable[Reach]) -> Iterator[Judgement]:
    """Shape: one judgement for each peer whose clock was measured to be off, else one for all."""
    measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for reach in reaches:
        raw = reach.raw
        if raw.clock_ms is not None and raw.rtt_ms is not None:
            measured[reach.errand.peer.name].append((raw.rtt_ms, raw.clock_ms))
    off = False
    for name, found in measured.items():
        rtt_ms, ahead_ms = min(found)
        if abs(ahead_ms) - rtt_ms / 2 > CLOCK_LEEWAY_MS:
            off = True
            yield clock_off(name, ahead_ms, "this host's")
    if measured and not off:
        widest = max(abs(min(found)[1]) for found in measured.values())
        yield passed(
            f"the clocks of {len(measured)} peers are within {widest:.0f} ms of this host's"
        )


def clock_off(node: str, ahead_ms: float, than: str) -> Judgement:
    """That a clock is ahead of, or behind, ``this host's`` or ``the others'``."""
    way = "ahead of" if ahead_ms > 0 else "behind"
    return failed(
        f"the clock of {node} is {abs(ahead_ms) / 1000:.0f} s {way} {than}",
        subject=node,
        observed=f"{ahead_ms / 1000:.1f} s",
        expected=f"within {CLOCK_LEEWAY_MS / 1000:.0f} s",
        remedy="on the one that is wrong: chronyc makestep, or timedatectl set-ntp true",
        severity=ERROR,
        nodes=(node,),
    )

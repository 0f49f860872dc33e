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
_PLACES = {
    Layer.NONE: "",
    Layer.NO_LISTENER: "no listener",
    Layer.OWN_FIREWALL: "this host's packet filter",
    Layer.PEER_FIREWALL: "the peer's packet filter",
    Layer.NETWORK: "the network between",
    Layer.UNKNOWN: "not known where",
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
    place = _PLACES[reach.layer]
    message = f"{said} is {reach.outcome.value}{f' [{place}]' if place else ''}: {reach.detail}"
    if reach.warning:
        return warned(
            message,
            subject=subject,
            observed=reach.outcome.value,
            expected="open",
            remedy=_remedy(reach),
            nodes=(name,),
        )
    return failed(
        message,
        subject=subject,
        observed=reach.outcome.value,
        expected="open",
        remedy=_remedy(reach),
        nodes=(name,),
    )


def _remedy(reach: Reach) -> str:
    errand = reach.errand
    peer, role = errand.peer.name, errand.peer.role.value
    if reach.outcome is Outcome.MTU:
        return (
            "let routers send ICMP fragmentation-needed (IPv4 3/4, IPv6 2/0), or give the links of "
            "all nodes the smaller MTU"
        )
    if reach.layer is Layer.PEER_FIREWALL:
        return f"on {peer}: nodeprep firewall apply --role {role} --posture allow"
    if reach.layer is Layer.OWN_FIREWALL:
        return f"let this host send {errand.label}: take the rule away, or add one before it"
    if reach.outcome is Outcome.WRONG and reach.layer is Layer.NO_LISTENER:
        return f"stop that program on {peer}, or give it another port"
    if reach.layer is Layer.NO_LISTENER:
        return f"on {peer}: nodeprep listen --role {role}, with the same key; then probe again"
    if reach.outcome is Outcome.ASYMMETRIC:
        return (
            f"look for a rule between the nodes that drops packets from port {errand.label} of "
            f"{errand.address}, or a route back by another way"
        )
    if reach.layer is Layer.NETWORK:
        return (
            f"open {errand.label} towards {errand.address} in what is between the nodes: routers, "
            "security groups, switches"
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
            way = "ahead of" if ahead_ms > 0 else "behind"
            yield failed(
                f"the clock of {name} is {abs(ahead_ms) / 1000:.0f} s {way} this host's",
                subject=name,
                observed=f"{ahead_ms / 1000:.1f} s",
                expected=f"within {CLOCK_LEEWAY_MS / 1000:.0f} s",
                remedy="on the one that is wrong: chronyc makestep, or timedatectl set-ntp true",
                severity=ERROR,
                nodes=(name,),
            )
    if measured and not off:
        widest = max(abs(min(found)[1]) for found in measured.values())
        yield passed(
            f"the clocks of {len(measured)} peers are within {widest:.0f} ms of this host's"
        )

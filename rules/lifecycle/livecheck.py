"""What this host's rules, everybody's together, do with the operator, a role's flows, and all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rules.access import admissions
from rules.errors import CommandError
from rules.lifecycle.session import Session
from rules.packet import SCTP, TCP, UDP, Packet
from rules.policy import Policy
from rules.record import record
from rules.tracing.flowprobes import Probe, probes
from rules.tracing.live import local_addresses, read_live, routes
from rules.tracing.trace import Trace, Tracer
from rules.tracing.walk import Step

if TYPE_CHECKING:
    from rules.render import Posture
    from rules.tracing.spacecheck import Gap, SpaceCheck

_ACK = 0x10


@record
class FlowTrace:
    """What becomes of one flow's packets: ``trace`` is of the first that is not let through.

    ``flow`` is its name; with ``(later packets)`` or ``(answers)`` where what comes first gets
    through and what follows does not.
    """

    flow: str
    admitted: bool | None
    trace: Trace | None


def session_trace(session: Session) -> Trace | None:
    """What becomes of a new connection like the operator's; None where it cannot be told."""
    if session.client.is_loopback or session.client == session.server:
        return None
    packet = Packet(
        family=session.client.version,
        protocol=TCP,
        source=session.client,
        destination=session.server,
        source_port=session.client_port,
        destination_port=session.server_port,
    )
    try:
        return Tracer(read_live()).trace(
            packet, local_addresses=local_addresses(), hook="input", routes=routes()
        )
    except CommandError:
        return None


def is_cut(before: Trace | None, after: Trace | None) -> bool:
    """Whether a change shut the operator out: what was shut before is no fault of the change."""
    return (
        after is not None
        and after.admitted is False
        and (before is None or before.admitted is not False)
    )


def flow_traces(policy: Policy) -> tuple[FlowTrace, ...]:
    """Every flow of a role, traced through the live rules, at both ends of ports and sources.

    Empty where this host has no address but loopback. Raises CommandError where the rules cannot
    be read.
    """
    mine = local_addresses()
    own = [item.ip for item in mine if not item.ip.is_loopback and not item.ip.is_link_local]
    tracer, route = Tracer(read_live()), routes()
    found: dict[str, FlowTrace] = {}
    for probe in probes(admissions(policy), policy.cluster, own):
        flow = probe.admission.flow
        seen = found.get(flow)
        if seen is not None and seen.admitted is False:
            continue
        traced = tracer.trace(probe.packet, local_addresses=mine, hook=probe.hook, routes=route)
        if traced.admitted is True:
            if seen is None:
                found[flow] = FlowTrace(flow, True, None)
                for word, packet, hook in _following(probe):
                    after = tracer.trace(packet, local_addresses=mine, hook=hook, routes=route)
                    # Much is open of a connection that nobody has seen: only a drop is a verdict.
                    if after.admitted is False:
                        found[flow] = FlowTrace(f"{flow} ({word})", False, after)
        elif seen is None or seen.admitted or traced.admitted is False:
            found[flow] = FlowTrace(flow, traced.admitted, traced)
    return tuple(found.values())


def _following(probe: Probe) -> Iterator[tuple[str, Packet, str]]:
    """What follows on a flow's first packet, both ways, and the hook that it meets."""
    packet = probe.packet
    if packet.protocol not in (TCP, UDP, SCTP) or packet.state != "new":
        return
    common = {"state": "established", "tcp_flags": _ACK if packet.protocol == TCP else None}
    yield "later packets", Packet(**{**vars(packet), **common}), probe.hook
    answer = Packet(
        family=packet.family,
        protocol=packet.protocol,
        source=packet.destination,
        destination=packet.source,
        source_port=packet.destination_port,
        destination_port=packet.source_port,
        state="established",
        tcp_flags=_ACK if packet.protocol == TCP else None,
    )
    yield "answers", answer, "output" if probe.hook == "input" else "forward"


def live_space(policy: Policy, posture: Posture) -> SpaceCheck:
    """The space of the live rules against the policy's. Raises CommandError where the rules
    cannot be read."""
    from rules.tracing.spacecheck import check_space

    return check_space(
        read_live(), policy, posture, local_addresses=local_addresses(), routes=routes()
    )


def told(gaps: Sequence[Gap]) -> str:
    """The first of some differences, with the rule that decides, and how many there are."""
    first, more = gaps[0], len(gaps) - 1
    why = (
        where(first.trace.decided_by)
        if first.trace.admitted is not None
        else ", ".join(first.trace.unknown)
    )
    return f"{first}{f' and {more} more' if more else ''} ({why})"


def where(step: Step | None) -> str:
    """A rule as a person finds it: ``rule 3 of chain INPUT (iptables-nft, ip filter): ...``."""
    if step is None:
        return "no rule"
    number = "policy" if step.is_policy else f"rule {step.number}" if step.number else "a rule"
    place = f"{step.backend}, {step.family} {step.table}"
    text = "" if step.is_policy else f": {step.rule[:200]}"
    return f"{number} of chain {step.chain} ({place}){text}"

"""Which rule decides about a packet: a ruleset's hooks and chains, in the kernel's order. Pure."""

from __future__ import annotations

from collections.abc import Collection

from rules.cluster import IPAddress
from rules.packet import Packet
from rules.record import record
from rules.ruleset import Ruleset
from rules.tracing.flow import Flow, Open, Routes, Surroundings
from rules.tracing.hooks import Knowledge, Way
from rules.tracing.walk import Ending, Step


@record
class Trace:
    """``verdict``: accept, drop, reject or unknown.

    ``decided_by``: the rule or policy; None where no chain is on the way. ``path``: the rules that
    matched, in order. ``unknown``: what could not be told and made the verdict unknown.
    ``outcomes``: every verdict that is possible. ``hook``: input, forward or output, empty where
    DNAT may lead to either. ``destination`` and ``destination_port`` as they are after DNAT, None
    where they are open.
    """

    packet: Packet
    verdict: str
    decided_by: Step | None
    path: tuple[Step, ...]
    unknown: tuple[str, ...]
    outcomes: tuple[str, ...]
    hook: str
    destination: IPAddress | None
    destination_port: int | None

    @property
    def admitted(self) -> bool | None:
        """Whether it is let through; None where that cannot be told."""
        if self.outcomes == ("accept",):
            return True
        return None if {"accept", "unknown"} & set(self.outcomes) else False


def trace(
    ruleset: Ruleset,
    packet: Packet,
    *,
    local_addresses: Collection[IPAddress] = (),
    hook: str = "",
    reverse_path: bool | None = None,
    routes: Routes | None = None,
) -> Trace:
    """Follows one packet through all hooks of its way.

    ``local_addresses`` are this host's own (loopback is always one; an ``ip_interface`` also says
    which broadcast address is): after DNAT they tell INPUT from FORWARD. Without any, the packet's
    destination counts as local. ``hook`` ``input``, ``forward`` or ``output`` decides it
    beforehand. ``reverse_path``: whether the route to the source leaves by ``interface_in``; None:
    yes where the packet names no interface, else unknown. ``routes`` gives the interface by which
    an address is reached, for where the packet names none or DNAT sends it elsewhere.
    """
    return Tracer(ruleset).trace(
        packet,
        local_addresses=local_addresses,
        hook=hook,
        reverse_path=reverse_path,
        routes=routes,
    )


class Tracer:
    """As ``trace``, for many packets against one ruleset."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._knowledge = Knowledge(ruleset)

    def trace(
        self,
        packet: Packet,
        *,
        local_addresses: Collection[IPAddress] = (),
        hook: str = "",
        reverse_path: bool | None = None,
        routes: Routes | None = None,
    ) -> Trace:
        """See ``trace`` of this module."""
        place = Surroundings(local_addresses, packet, reverse_path, routes)
        way = Way(self._knowledge, packet.family)
        flow = Flow(packet, place, sent_here=hook == "output")
        if packet.state == "new" and packet.original_port is not None:
            # Destination NAT has been done with it: no chain is asked again.
            flow.natted, flow.bound = True, "prerouting"
        return _result(way, packet, way.take(flow, hook))


def _result(way: Way, packet: Packet, hook: str) -> Trace:
    """What came of all ways."""
    outcomes = {ending.verdict for ending in way.blocked}
    if way.passed:
        outcomes.add("accept")
    verdict = next(iter(outcomes)) if len(outcomes) == 1 else "unknown"
    if outcomes == {"drop", "reject"}:
        # It is stopped either way; only whether the sender hears of it is open.
        verdict = "drop"
    ends = [*[ending.flow for ending in way.blocked], *way.passed]
    doubts = sorted({doubt for flow in ends for doubt in flow.doubts})
    shown = _shown(way, verdict)
    flow = shown.flow if shown and shown.verdict != "accept" else next(iter(way.passed), None)
    return Trace(
        packet=packet,
        verdict=verdict,
        decided_by=shown.step if shown else None,
        path=_path(flow),
        unknown=tuple(doubts) if verdict == "unknown" else (),
        outcomes=tuple(sorted(outcomes)),
        hook=hook,
        destination=_address(flow, packet),
        destination_port=flow.port if flow and isinstance(flow.port, int) else None,
    )


def _shown(way: Way, verdict: str) -> Ending | None:
    """The ending to name: what blocked; else the last rule that accepts, else a policy."""
    if verdict == "unknown":
        return next((end for end in way.blocked if end.verdict == "unknown"), None)
    if way.blocked:
        return way.blocked[0]
    own = [e for e in way.accepts if e.step.hook in ("input", "forward", "output")]
    rules = [ending for ending in own if not ending.step.is_policy]
    found = rules or own or way.accepts
    return found[-1] if found else None


def _path(flow: Flow | None) -> tuple[Step, ...]:
    steps: list[Step] = []
    link = flow.path if flow is not None else None
    while link is not None:
        link, step = link
        steps.append(step)
    return tuple(reversed(steps))


def _address(flow: Flow | None, packet: Packet) -> IPAddress | None:
    if flow is None or isinstance(flow.address, Open):
        return None
    return type(packet.destination)(flow.address)

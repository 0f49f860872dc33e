"""Which rule decides about a packet: a ruleset's hooks and chains, in the kernel's order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain, islice, permutations

from rules.cluster import IPAddress
from rules.packet import Packet
from rules.record import record
from rules.ruleset import Base, Hung, Nat, Ruleset, SetMark, Table, Touch, Untrack
from rules.traceflow import Flow, Open, Routes, Surroundings
from rules.tracematch import Matcher
from rules.tracewalk import Ending, Step, Walk, merged

# Where conntrack sits in prerouting and output (NF_IP_PRI_CONNTRACK).
_CONNTRACK = -200
# Of chains that share a priority: enough for all orders of four tables.
_MOST_ORDERS = 24


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
        self.ruleset = ruleset
        self._matcher = Matcher()
        # Which tables change what others may read, by id().
        self._effects: dict[int, bool] = {}

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
        way = _Way(self.ruleset, packet.family, self._matcher, self._effects)
        flow = Flow(packet, place, sent_here=hook == "output")
        if packet.state == "new" and packet.original_port is not None:
            # Destination NAT has been done with it: no chain is asked again.
            flow.natted, flow.bound = True, "prerouting"
        if hook == "output":
            way.hooks(("output", "postrouting"), [flow])
            return way.result(packet, hook)
        arrived = way.through("prerouting", way.through("ingress", [flow]))
        inside: list[Flow] = []
        onward: list[Flow] = []
        for one in arrived:
            local = _is_local(one) if not hook else hook == "input"
            if local is None:
                one = one.doubted("whether DNAT leads to this host is not known")
            if local is not False:
                inside.append(one)
            if local is not True:
                onward.append(one.copy())
        way.hooks(("input",), inside)
        way.hooks(("forward", "postrouting"), onward)
        taken = "input" if not onward else "forward" if not inside else ""
        return way.result(packet, hook or taken)


def _is_local(flow: Flow) -> bool | None:
    """Whether routing delivers it here; None where that cannot be told."""
    if flow.redirected:
        return True
    family, place = flow.packet.family, flow.place
    if isinstance(flow.address, Open):
        [(first, last)] = flow.address.ranges
        if any(first <= address <= last for address in place.local):
            return None
        return False
    kind = place.route_type(family, flow.address)
    return kind not in (1,) and not isinstance(kind, Open)


class _Row:
    """What one order of the chains of a group makes of the flows."""

    def __init__(self, flows: list[Flow]) -> None:
        self.flows = flows
        self.accepts: list[Ending] = []
        self.blocked: list[Ending] = []

    @property
    def outcome(self) -> tuple[frozenset[str], frozenset[tuple[object, ...]]]:
        """What the chains to come, and the verdict, can tell apart."""
        verdicts = frozenset(ending.verdict for ending in self.blocked)
        return verdicts, frozenset(flow.state_key for flow in self.flows)

    def doubt(self, reason: str) -> None:
        """It may not be the kernel's order."""
        self.flows = [flow.doubted(reason) for flow in self.flows]
        self.blocked = [
            Ending(ending.verdict, ending.flow.doubted(reason), ending.step)
            for ending in self.blocked
        ]


class _Way:
    """The flows of one packet from hook to hook, and how they ended."""

    def __init__(
        self, ruleset: Ruleset, family: int, matcher: Matcher, effects: dict[int, bool]
    ) -> None:
        self.ruleset, self.family, self.matcher = ruleset, family, matcher
        self._effects = effects
        self.blocked: list[Ending] = []
        self.passed: list[Flow] = []
        self.accepts: list[Ending] = []

    def hooks(self, names: tuple[str, ...], flows: list[Flow]) -> None:
        """Sends flows through hooks; what is left has passed."""
        for name in names:
            flows = self.through(name, flows)
        self.passed += flows

    def through(self, hook: str, flows: list[Flow]) -> list[Flow]:
        """The flows that no base chain of the hook stops."""
        if not flows:
            return flows
        flows = [flow.copy() for flow in flows]
        for flow in flows:
            flow.hook = hook
        tracking = hook in ("prerouting", "output")
        for group in self.ruleset.bases(hook, self.family):
            priority = group[0].base.priority
            if tracking and priority >= _CONNTRACK:
                tracking = priority == _CONNTRACK
                flows = merged([one for flow in flows for one in _tracked(flow, tracking)])
            flows = self._group(group, flows)
        return [one for flow in flows for one in _tracked(flow, False)] if tracking else flows

    def _group(self, group: list[Hung], flows: list[Flow]) -> list[Flow]:
        """Chains of one priority: in each order that the kernel may have, where it matters."""
        found = [self._row(order, flows) for order in self._orders(group)]
        if any(row.outcome != found[0].outcome for row in found[1:]):
            names = " and ".join(dict.fromkeys(f"{_name(hung)}" for hung in group))
            reason = f"which comes first of {names}, both of priority {group[0].base.priority}"
            for row in found:
                row.doubt(reason)
        else:
            found = found[:1]
        for row in found:
            self.accepts += row.accepts
            self.blocked += row.blocked
        return merged([flow for row in found for flow in row.flows])

    def _orders(self, group: list[Hung]) -> Iterable[Iterable[Hung]]:
        blocks: dict[int, list[Hung]] = {}
        for hung in group:
            blocks.setdefault(id(hung.table), []).append(hung)
        if len(blocks) == 1 or not any(self._matters(block[0].table) for block in blocks.values()):
            return [group]
        found = islice(permutations(reversed(blocks.values())), _MOST_ORDERS)
        return [chain.from_iterable(order) for order in found]

    def _matters(self, table: Table) -> bool:
        """Whether the table changes what another table may read."""
        if (known := self._effects.get(id(table))) is None:
            known = self._effects[id(table)] = any(
                isinstance(part, (SetMark, Untrack, Touch, Nat))
                for one in table.chains.values()
                for rule in one.rules
                for part in rule.parts
            )
        return known

    def _row(self, order: Iterable[Hung], flows: list[Flow]) -> _Row:
        row = _Row(flows)
        for hung in order:
            after: list[Flow] = []
            for flow in row.flows:
                if _passes(hung.base, flow):
                    after += self._base(Walk(hung, self.matcher), flow, row)
                else:
                    after.append(flow)
            row.flows = merged(after)
        return row

    def _base(self, walk: Walk, flow: Flow, row: _Row) -> list[Flow]:
        endings = walk.run(flow)
        accepted = [ending for ending in endings if ending.verdict == "accept"]
        row.accepts += accepted
        row.blocked += [ending for ending in endings if ending.verdict != "accept"]
        left = merged([ending.flow for ending in accepted])
        if len(left) == 1 and len(accepted) == len(endings) and left[0].doubts != flow.doubts:
            # Every way leads on with the same packet: the doubts made no difference.
            left[0] = left[0].copy()
            left[0].doubts = flow.doubts
        return left

    def result(self, packet: Packet, hook: str) -> Trace:
        """What came of all ways."""
        outcomes = {ending.verdict for ending in self.blocked}
        if self.passed:
            outcomes.add("accept")
        verdict = next(iter(outcomes)) if len(outcomes) == 1 else "unknown"
        ends = [*[ending.flow for ending in self.blocked], *self.passed]
        doubts = sorted({doubt for flow in ends for doubt in flow.doubts})
        shown = self._shown(verdict)
        flow = shown.flow if shown and shown.verdict != "accept" else next(iter(self.passed), None)
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

    def _shown(self, verdict: str) -> Ending | None:
        """The ending to name: what blocked; else the last rule that accepts, else a policy."""
        if verdict == "unknown":
            return next((end for end in self.blocked if end.verdict == "unknown"), None)
        if self.blocked:
            return self.blocked[0]
        own = [e for e in self.accepts if e.step.hook in ("input", "forward", "output")]
        rules = [ending for ending in own if not ending.step.is_policy]
        found = rules or own or self.accepts
        return found[-1] if found else None


def _passes(base: Base, flow: Flow) -> bool:
    """Whether the chain sees the packet: nat only at a connection's start, ingress by device."""
    if base.type == "nat":
        return flow.bound != flow.hook and flow.conntrack_state == "new"
    if base.hook == "ingress" and base.devices and flow.packet.interface_in is not None:
        return flow.packet.interface_in in base.devices
    return True


def _name(hung: Hung) -> str:
    return f"{hung.table.backend} {hung.table.family} {hung.table.name} {hung.chain.name}"


def _tracked(flow: Flow, unsure: bool) -> list[Flow]:
    """The flow after conntrack; ``unsure``: a chain shares its priority, so before it as well."""
    if flow.tracked is not None:
        return [flow]
    other = flow.doubted(_UNSURE) if unsure else flow.copy()
    other.tracked = True
    return [other, flow.doubted(_UNSURE)] if unsure else [other]


_UNSURE = "whether a chain of priority -200 comes before conntrack is not known"


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

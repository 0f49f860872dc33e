"""Packets from hook to hook: base chains in the kernel's order, conntrack, NAT, routing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain, islice, permutations

from rules.ruleset import (
    Action,
    Hung,
    Key,
    Nat,
    Part,
    Ruleset,
    SetMark,
    Table,
    Touch,
    UnsupportedStatement,
    Untrack,
    Verdict,
    VerdictMap,
)
from rules.tracing.effects import merged
from rules.tracing.flow import Flow, Open
from rules.tracing.keys import read
from rules.tracing.match import Matcher, Truth, among
from rules.tracing.walk import Ending, Step, Walk

# Where conntrack sits in prerouting and output (NF_IP_PRI_CONNTRACK).
_CONNTRACK = -200
# What a packet meets that leaves.
OUT = ("postrouting", "egress")
_BY_DEVICE = {"ingress": Key("meta iifname"), "egress": Key("meta oifname")}
# Of chains that share a priority: enough for all orders of four tables.
_MOST_ORDERS = 24


class Knowledge:
    """What is worked out once for a ruleset, however many packets are followed."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset, self.matcher = ruleset, Matcher()
        self._effects: dict[int, bool] = {}
        self.filters_bridges = _filtering_bridges(ruleset)

    def changes_packets(self, table: Table) -> bool:
        """Whether the table changes what another table may read."""
        if (known := self._effects.get(id(table))) is None:
            known = self._effects[id(table)] = any(
                isinstance(part, (SetMark, Untrack, Touch, Nat))
                for one in table.chains.values()
                for rule in one.rules
                for part in rule.parts
            )
        return known


class Way:
    """The flows of one packet from hook to hook, and how they ended."""

    def __init__(self, knowledge: Knowledge, family: int) -> None:
        self.knowledge, self.family = knowledge, family
        self.walk: Callable[[Hung, Matcher], Walk] = Walk
        self.blocked: list[Ending] = []
        self.passed: list[Flow] = []
        self.accepts: list[Ending] = []

    def take(self, flow: Flow, hook: str = "") -> str:
        """Sends a flow on its whole way; the hook that it meets, empty where it may be either."""
        if hook == "output":
            self.hooks(("output", *OUT), [flow])
            return hook
        inside, onward = self.routed(flow, hook)
        self.hooks(("input",), inside)
        self.hooks(("forward", *OUT), onward)
        return hook or ("input" if not onward else "forward" if not inside else "")

    def routed(self, flow: Flow, hook: str = "") -> tuple[list[Flow], list[Flow]]:
        """What prerouting leaves: for this host, and for others. ``hook`` decides it beforehand."""
        inside: list[Flow] = []
        onward: list[Flow] = []
        for one in self.through("prerouting", self.through("ingress", [flow])):
            local = _is_local(one) if not hook else hook == "input"
            if local is None:
                one = one.doubted("whether DNAT leads to this host is not known")
            if local is not False:
                inside.append(one)
            if local is not True:
                onward.append(one.copy())
        return inside, onward

    def hooks(self, names: tuple[str, ...], flows: list[Flow]) -> None:
        """Sends flows through hooks; what is left has passed."""
        for name in names:
            flows = self.through(name, flows)
        self.passed += flows
        if (hung := self.knowledge.filters_bridges) is not None:
            self.blocked += [end for flow in flows if (end := self._bridged(hung, flow))]

    def _bridged(self, hung: Hung, flow: Flow) -> Ending | None:
        """The packet where it comes or goes by a bridge, whose own chains are not modelled."""
        for key in _BY_DEVICE.values():
            device, known = read(flow, key), self.knowledge.ruleset.bridges
            if not device or device == "lo":
                continue
            if (
                known is not None
                and not (isinstance(device, Open) and known)
                and device not in known
            ):
                continue
            reason = f"what the chains of bridges do is not modelled ({_name(hung)})"
            step = Step(
                hung.table.backend, hung.table.family, hung.table.name, hung.chain.name,
                hung.base.hook, "",
            )  # fmt: skip
            return Ending("unknown", flow.doubted(reason), step)
        return None

    def through(self, hook: str, flows: list[Flow]) -> list[Flow]:
        """The flows that no base chain of the hook stops."""
        if not flows:
            return flows
        flows = [flow.copy() for flow in flows]
        for flow in flows:
            flow.hook = hook
        tracking = hook in ("prerouting", "output")
        for group in self.knowledge.ruleset.bases(hook, self.family):
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
        if len(blocks) == 1 or not any(
            self.knowledge.changes_packets(block[0].table) for block in blocks.values()
        ):
            return [group]
        found = islice(permutations(reversed(blocks.values())), _MOST_ORDERS)
        return [chain.from_iterable(order) for order in found]

    def _row(self, order: Iterable[Hung], flows: list[Flow]) -> _Row:
        row = _Row(flows)
        for hung in order:
            after: list[Flow] = []
            for flow in row.flows:
                sees = _sees(hung, flow)
                if isinstance(sees, str):
                    flow = flow.doubted(f"{sees} ({_name(hung)})")
                if sees is not False:
                    after += self._base(self.walk(hung, self.knowledge.matcher), flow, row)
                if sees is not True:
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
        return verdicts, frozenset((*flow.state_key, flow.region) for flow in self.flows)

    def doubt(self, reason: str) -> None:
        """It may not be the kernel's order."""
        self.flows = [flow.doubted(reason) for flow in self.flows]
        self.blocked = [
            Ending(ending.verdict, ending.flow.doubted(reason), ending.step)
            for ending in self.blocked
        ]


def _filtering_bridges(ruleset: Ruleset) -> Hung | None:
    """A base chain of the family bridge by which a table may stop packets; None where none does."""
    for table in ruleset.tables:
        if table.family != "bridge" or table.dormant:
            continue
        stops = any(_may_stop(part) for one in table.chains.values() for rule in one.rules
                    for part in rule.parts)  # fmt: skip
        for one in table.chains.values():
            if one.base is not None and (stops or one.base.policy is Action.DROP):
                return Hung(table, one, one.base)
    return None


def _may_stop(part: Part) -> bool:
    if isinstance(part, Verdict):
        return part.action in (Action.DROP, Action.REJECT, Action.QUEUE)
    return isinstance(part, (VerdictMap, UnsupportedStatement))


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


def _sees(hung: Hung, flow: Flow) -> Truth:
    """Whether the chain sees the packet: nat only at a connection's start, ingress and egress by
    device. Text: why that cannot be told."""
    base = hung.base
    if base.type == "nat" and (flow.bound == flow.hook or flow.conntrack_state != "new"):
        return False
    if base.hook in _BY_DEVICE:
        device = read(flow, _BY_DEVICE[base.hook])
        if not base.devices:
            return "the ruleset does not say of which device's packets it is asked"
        held = False if device is None else among(device, base.devices)
        if held is not True:
            return held
    return "whether the table is dormant is not readable" if hung.table.dormant is None else True


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

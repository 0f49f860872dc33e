"""A packet through one base chain: rules, jumps and statements, on every way it may take. Pure."""

from __future__ import annotations

from rules.record import record
from rules.ruleset import (
    Action,
    AllOf,
    AnyOf,
    Chain,
    Hung,
    Lookup,
    Match,
    Nat,
    Note,
    Part,
    Range,
    Rule,
    SetMark,
    Test,
    Touch,
    Unsupported,
    UnsupportedStatement,
    Untrack,
    Verdict,
    VerdictMap,
)
from rules.tracing.effects import chosen, different_verdicts, merged, translated, with_mark
from rules.tracing.flow import Flow
from rules.tracing.match import Matcher, Truth

# The kernel refuses rulesets that jump deeper (NFT_JUMP_STACK_SIZE, 16).
_DEEPEST = 32
_MATCHES = (Test, Lookup, AnyOf, AllOf, Unsupported)


@record
class Step:
    """A rule (or a chain's policy) that the packet met.

    ``rule`` is its text, or ``policy accept``/``policy drop`` with ``is_policy``. ``handle`` is
    nft's, ``number`` the rule's place in its chain from 1.
    """

    backend: str
    family: str
    table: str
    chain: str
    hook: str
    rule: str
    handle: int | None = None
    number: int | None = None
    comment: str = ""
    is_policy: bool = False


@record
class Ending:
    """One way's end in a base chain: accept, drop, reject or unknown, and by which rule."""

    verdict: str
    flow: Flow
    step: Step


_VERDICTS = {
    Action.ACCEPT: "accept",
    Action.DROP: "drop",
    Action.REJECT: "reject",
    Action.QUEUE: "unknown",
}


class Walk:
    """One packet in one base chain; ``endings`` collects what the rules decide."""

    @property
    def rule_walk(self) -> type[RuleWalk]:
        """What does one rule for one flow."""
        return RuleWalk

    def __init__(self, hung: Hung, matcher: Matcher) -> None:
        self.table, self.chain, self.base = hung.table, hung.chain, hung.base
        self.matcher = matcher
        self.endings: list[Ending] = []

    def run(self, flow: Flow) -> list[Ending]:
        """Every ending of the packet here, the policy's included."""
        for left in self._chain(self.chain, flow, 0):
            text = f"policy {self.base.policy.value}"
            step = self._step(self.chain.name, text, is_policy=True)
            self.endings.append(Ending(_VERDICTS[self.base.policy], left, step))
        return self.endings

    def _step(self, chain: str, text: str, *, is_policy: bool = False) -> Step:
        table = self.table
        return Step(
            table.backend, table.family, table.name, chain, self.base.hook, text,
            is_policy=is_policy,
        )  # fmt: skip

    def rule_step(self, chain: str, rule: Rule) -> Step:
        """A rule of this table, for the path of a trace."""
        table = self.table
        return Step(
            backend=table.backend,
            family=table.family,
            table=table.name,
            chain=chain,
            hook=self.base.hook,
            rule=rule.text,
            handle=rule.handle,
            number=rule.number,
            comment=rule.comment,
        )

    def _chain(self, chain: Chain, flow: Flow, depth: int) -> list[Flow]:
        """The flows that come to the chain's end or return from it."""
        if depth > _DEEPEST:
            self.end("unknown", flow.doubted(f"{chain.name}: too many jumps"), chain.name, None)
            return []
        flows, returned = [flow], []
        for rule in chain.rules:
            after: list[Flow] = []
            for one in flows:
                left, back = self.rule_walk(self, chain, rule, depth).run(one)
                after += left
                returned += back
            flows = after if len(after) < 2 else merged(after)
            if not flows:
                break
        return merged([*returned, *flows]) if returned else flows

    def enter(self, name: str, flow: Flow, depth: int) -> list[Flow]:
        """Jumps into a chain of the same table."""
        chain = self.table.chains.get(name)
        if chain is None:
            self.end("unknown", flow.doubted(f"chain {name} is not in the ruleset"), name, None)
            return []
        return self._chain(chain, flow, depth + 1)

    def end(self, verdict: str, flow: Flow, chain: str, rule: Rule | None) -> None:
        """Notes that a way ends here."""
        step = self._step(chain, "") if rule is None else self.rule_step(chain, rule)
        self.endings.append(Ending(verdict, flow, step))


class RuleWalk:
    """One rule for one flow. ``left`` goes on with the next rule, ``back`` returns."""

    def __init__(self, walk: Walk, chain: Chain, rule: Rule, depth: int) -> None:
        self.walk, self.chain, self.rule, self.depth = walk, chain, rule, depth
        self.left: list[Flow] = []
        self.back: list[Flow] = []
        self.marked = False

    def run(self, flow: Flow) -> tuple[list[Flow], list[Flow]]:
        """The flows that go on with the next rule, and those that return."""
        here: Flow | None = flow
        endings = len(self.walk.endings)
        for part in self.rule.parts:
            if isinstance(part, _MATCHES):
                here = self.match(part, here)
            elif not isinstance(part, Note):
                here = self._statement(part, self._met(here))
            if here is None:
                break
        else:
            assert here is not None  # noqa: S101  (the loop ends with break where it is)
            self.left.append(self._met(here))
        if len(self.left) > 1:
            self.left = merged(self.left)
        if len(self.left) == 1 and not self.back and endings == len(self.walk.endings):
            self._forget(flow)
        return self.left, self.back

    def _forget(self, before: Flow) -> None:
        """All ways came together again and nothing changed: the doubts made no difference."""
        only = self.left[0]
        if only.doubts != before.doubts and only.state_key == before.state_key:
            only = only.copy()
            only.doubts = before.doubts
            self.left = [only]

    def _met(self, flow: Flow | None) -> Flow:
        """The flow with this rule on its path."""
        assert flow is not None  # noqa: S101
        if self.marked:
            return flow
        self.marked = True
        other = flow.copy()
        other.path = (flow.path, self.walk.rule_step(self.chain.name, self.rule))
        return other

    def doubt(self, reason: str) -> str:
        """A reason with the place of this rule."""
        rule, table = self.rule, self.walk.table
        place = f"handle {rule.handle}" if rule.handle is not None else f"rule {rule.number}"
        return f"{reason} ({table.backend} {table.family} {table.name} {self.chain.name} {place})"

    def match(self, match: Match, flow: Flow | None) -> Flow | None:
        """The flow that goes on within the rule, None where it does not match."""
        assert flow is not None  # noqa: S101
        truth: Truth = self.walk.matcher.holds(match, flow)
        if truth is True:
            return flow
        if truth is False:
            self.left.append(flow)
            return None
        doubted = flow.doubted(self.doubt(str(truth)))
        self.left.append(doubted)
        return doubted

    def _statement(self, part: Part, flow: Flow) -> Flow | None:
        """Does it; the flow that goes on within the rule, None where none does."""
        if isinstance(part, (Verdict, VerdictMap)):
            if isinstance(part, Verdict):
                self.verdict(part, flow)
            else:
                self.map(part, flow)
            return None
        if isinstance(part, Nat):
            return self.nat(part, flow)
        if isinstance(part, SetMark):
            return with_mark(part, flow, self.doubt(part.unknown))
        other = flow.copy()
        if isinstance(part, Untrack):
            if flow.tracked is None:
                other.tracked = False
            return other
        if isinstance(part, Touch):
            other.dirty = flow.dirty | {part.set_name}
            return other
        if isinstance(part, UnsupportedStatement):
            self.end("unknown", flow.doubted(self.doubt(part.text)))
            return None
        raise TypeError(type(part).__name__)

    def end(self, verdict: str, flow: Flow) -> None:
        """Notes that this rule ends a way."""
        self.walk.end(verdict, flow, self.chain.name, self.rule)

    def verdict(self, verdict: Verdict, flow: Flow) -> None:
        """Does what a verdict says with the flow."""
        action = verdict.action
        if action is Action.CONTINUE:
            self.left.append(flow)
        elif action is Action.RETURN:
            self.back.append(flow)
        elif action is Action.JUMP:
            self.left += self.walk.enter(verdict.chain, flow, self.depth)
        elif action is Action.GOTO:
            self.back += self.walk.enter(verdict.chain, flow, self.depth)
        elif action is Action.QUEUE:
            self.end("unknown", flow.doubted(self.doubt("a program on the queue decides")))
        else:
            self.end(_VERDICTS[action], flow)

    def map(self, part: VerdictMap, flow: Flow) -> None:
        """Does what a verdict map says."""
        matcher = self.walk.matcher
        found = matcher.find(part.map, part.keys, flow)
        if found is None or found == ():
            self.left.append(flow)
            return
        if isinstance(found, tuple):
            if (verdict := found[0].verdict) is not None:
                self.verdict(verdict, flow)
            return
        doubted = flow.doubted(self.doubt(found))
        if part.map.unknown or part.map.name in flow.dirty:
            self.end("unknown", doubted)
            return
        elements, certain = matcher.possible(part.map, part.keys, flow)
        for verdict in different_verdicts(elements):
            self.verdict(verdict, doubted)
        if not certain:
            default = part.map.default
            if default is not None and default.verdict is not None:
                self.verdict(default.verdict, doubted)
            else:
                self.left.append(doubted)

    def nat(self, part: Nat, flow: Flow) -> Flow | None:
        """Translates the packet; the flow goes on only where the rule is of another family."""
        if part.family and part.family != flow.packet.family:
            return flow
        if part.map is None:
            self.translated(part, part.addresses, part.ports, flow)
            return None
        found = self.walk.matcher.find(part.map, part.keys, flow)
        if found is None or found == ():
            self.left.append(flow)
            return None
        if isinstance(found, str):
            doubted = flow.doubted(self.doubt(found))
            elements, certain = self.walk.matcher.possible(part.map, part.keys, flow)
            if part.map.unknown or part.map.name in flow.dirty:
                self.end("unknown", doubted)
                return None
            if not certain:
                self.left.append(doubted)
            for element in elements:
                self.translated(part, *chosen(element, part.ports), doubted)
        else:
            self.translated(part, *chosen(found[0], part.ports), flow)
        return None

    def translated(
        self, part: Nat, addresses: Range | None, ports: Range | None, flow: Flow
    ) -> None:
        """DNAT and REDIRECT change the packet; SNAT and masquerading nothing that a rule reads."""
        if part.kind in ("dnat", "redirect"):
            other = translated(part, addresses, ports, flow)
        else:
            other = flow.copy()
        # No other nat chain of this hook is asked.
        other.bound = flow.hook
        self.end("accept", other)

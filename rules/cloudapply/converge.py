"""What of EC2's state differs from the groups that are wanted, and what is left alone. Pure."""

from __future__ import annotations

from rules.backend import Change
from rules.cloud.aws import QUOTAS
from rules.cloud.document import CloudRules, Usage
from rules.cloud.peer import Kind
from rules.cloudapply.live import LiveGroup, LiveRule, Permission, State, weight
from rules.cloudapply.order import Step, Stuck, ordered
from rules.cloudapply.plan import Plan
from rules.cloudapply.refused import Refused, refuse_absent
from rules.cloudapply.wanted import FAMILIES, WantedGroup, group_names, wanted_groups
from rules.cluster import Role


def converge(rules: CloudRules, state: State) -> Plan:
    """The plan from a state to the rules.

    Raises Refused, before anything is written, where a group of that name is not ours, where a
    group that rules refer to is absent, and where the quotas do not hold what is needed.
    """
    _weighed(rules, state)
    wanted = wanted_groups(rules, state)
    names = {group.name for group in wanted}
    for name in sorted(names & state.groups.keys()):
        if not state.groups[name].own:
            raise Refused(
                f"{state.groups[name].id} is called {name} and has no tag nodeprep:role, so it is "
                "not ours: take another --name, or give it that tag to hand it over"
            )
    refuse_absent(rules, state.groups)
    most = rules.options.quota("rules", QUOTAS["rules"])
    try:
        steps, held = ordered(wanted, state, most, rules.plan.families)
    except Stuck:
        wanted = wanted_groups(rules, state, beside=True)
        steps, held = ordered(wanted, state, most, rules.plan.families)
    return Plan(
        rules.plan.digest,
        steps,
        tuple(change for step in steps for change in changes_of(step)),
        _usage(wanted, state, most),
        tuple(_foreign(wanted, state)),
        tuple(_leftovers(rules, names, state)),
        tuple(_warnings(wanted, state, held)),
    )


def _weighed(rules: CloudRules, state: State) -> None:
    """A prefix list counts its most entries, whatever --peer said of it."""
    for rule in rules.rules:
        most = state.weights.get(rule.peer.name, 0) if rule.peer.kind is Kind.NAMED else 0
        if most > rule.peer.weight:
            raise Refused(
                f"{rule.peer.name} has room for {most} entries and counts as {most} rules, not "
                f"{rule.peer.weight}: write {rule.peer.name}:{most}"
            )


def changes_of(step: Step) -> list[Change]:
    """One for each object that a step makes, changes or takes away."""
    group = step.group.name
    if step.kind == "create":
        return [Change(f"security group {group}", None, step.group.description)]
    if step.kind == "tag":
        before = step.live.tags if step.live is not None else {}
        return [
            Change(f"{group}: tag {key}", before.get(key), text) for key, text in step.tags.items()
        ]
    if step.kind == "revoke":
        return [
            Change(
                f"{group}: {one.permission.label}", one.permission.text(one.description), None
            )
            for one in step.rules
        ]  # fmt: skip
    old = {one.permission: one.permission.text(one.description) for one in step.rules}
    return [
        Change(f"{group}: {one.label}", old.get(one), one.text(text))
        for one, text in step.permissions.items()
    ]


def _usage(wanted: tuple[WantedGroup, ...], state: State, most: int) -> tuple[Usage, ...]:
    found: list[Usage] = []
    for group in wanted:
        live = state.groups.get(group.name)
        there = {one.permission for one in live.rules if not one.own} if live is not None else set()
        every = {one for one in {*group.permissions, *there} if not one.egress}
        found += [
            Usage(group.name, f"inbound IPv{family} rules", used, most)
            for family in FAMILIES
            if (used := sum(weight(one, family, state.weights) for one in every))
        ]
    return tuple(found)


def _foreign(wanted: tuple[WantedGroup, ...], state: State) -> list[str]:
    return [
        f"{group.name}: {one.permission.label} ({one.id})"
        for group in wanted
        for one in _rules(state.groups.get(group.name))
        if not one.own and one.permission not in group.permissions and not _default(one.permission)
    ]


def _rules(live: LiveGroup | None) -> tuple[LiveRule, ...]:
    return live.rules if live is not None else ()


def _default(one: Permission) -> bool:
    """What EC2 gives to every new group."""
    return one.egress and one.protocol == "-1" and one.peer in ("0.0.0.0/0", "::/0")


def _leftovers(rules: CloudRules, names: set[str], state: State) -> list[str]:
    every = group_names(rules, [role.value for role in Role])
    gone = set(every) - set(group_names(rules, rules.plan.members))
    return [
        f"{name} ({state.groups[name].id})"
        for name in every
        if name in gone and name in state.groups and state.groups[name].own
    ]


def _warnings(wanted: tuple[WantedGroup, ...], state: State, held: tuple[str, ...]) -> list[str]:
    first = {group.role: group.name for group in wanted if group.number == 1}
    found: list[str] = []
    for group in wanted:
        if group.number == 1:
            continue
        carries = first[group.role]
        if lacking := state.lacking(carries, group.name):
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            found.append(f"{lacking[0]}{more} carry {carries} and not {group.name}: add it to them")
        elif group.name not in state.groups:
            found.append(f"what carries {carries} has to carry {group.name} too")
    return found + [f"kept until it does: {one}" for one in held]

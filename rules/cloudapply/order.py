"""The order of the steps: what is new first, so that nothing that is needed is shut between. Pure.

Where a quota has no room for old and new together, an old rule goes early if what remains lets in
everything of it that is still wanted; where no old rule may go, nothing is begun.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import reduce
from operator import or_

from rules.cloud.reach import Reach
from rules.cloudapply.live import LiveGroup, LiveRule, Permission, State, as_rule, weight
from rules.cloudapply.refused import Refused
from rules.cloudapply.wanted import FAMILIES, WantedGroup
from rules.record import field, record


class Stuck(Refused):
    """No order of the steps keeps what is needed open within the quotas."""


@record
class Step:
    """What one call does. ``kind``: create, authorize, describe, revoke or tag.

    ``permissions``: with their descriptions, of one direction; ``rules``: those that are taken
    away, or get another description.
    """

    kind: str
    group: WantedGroup
    live: LiveGroup | None = None
    permissions: dict[Permission, str] = field(default_factory=dict)
    rules: tuple[LiveRule, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def egress(self) -> bool:
        """Whether it is about what leaves."""
        return any(one.egress for one in (*self.permissions, *(r.permission for r in self.rules)))

    @property
    def label(self) -> str:
        """For a person, once it is done."""
        name = self.group.name
        count = len(self.permissions) or len(self.rules)
        many = f"{count} rule{'s' if count != 1 else ''}"
        return {
            "create": f"created {name}",
            "authorize": f"added {many} to {name}",
            "describe": f"described {many} of {name}",
            "revoke": f"removed {many} of {name}",
            "tag": f"tagged {name}",
        }[self.kind]


def ordered(
    wanted: tuple[WantedGroup, ...], state: State, most: int, families: Iterable[int]
) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """The steps, and what is held back because the groups that replace it are not carried yet.

    Raises Stuck where no order keeps what is needed open within ``most`` rules a group.
    """
    creates = [Step("create", group) for group in wanted if group.name not in state.groups]
    steps: list[Step] = []
    held: list[str] = []
    for role in dict.fromkeys(group.role for group in wanted):
        mine = [group for group in wanted if group.role == role]
        role_steps, role_held = _Role(mine, state, most, tuple(families)).steps()
        steps += role_steps
        held += role_held
    tags = [
        Step("tag", group, live, tags=changed)
        for group in wanted
        if (live := state.groups.get(group.name)) is not None
        and (changed := {k: v for k, v in group.tags.items() if live.tags.get(k) != v})
    ]
    return (*creates, *steps, *tags), tuple(held)


def _given(one: Permission, state: State) -> bool:
    """Whether EC2 puts it into each group that it makes."""
    return (6 if ":" in one.peer else 4) in state.given


class _Role:
    """One role's groups, whose rules add up on every machine of the role."""

    def __init__(
        self, groups: list[WantedGroup], state: State, most: int, families: tuple[int, ...]
    ) -> None:
        self._groups, self._state, self._most, self._families = groups, state, most, families
        self._role = groups[0].role
        self._now: dict[str, set[Permission]] = {}
        self._old: dict[str, list[LiveRule]] = {}
        self._new: dict[str, dict[Permission, str]] = {}
        for group in groups:
            live = self._live(group)
            there = {one.permission for one in live}
            self._now[group.name] = there
            self._old[group.name] = [
                one for one in live if one.own and one.permission not in group.permissions
            ]
            given = there
            if group.name not in state.groups:
                given = {one for one in group.permissions if one.egress and _given(one, state)}
            self._new[group.name] = {
                one: text for one, text in group.permissions.items() if one not in given
            }

    def steps(self) -> tuple[list[Step], list[str]]:
        made: list[Step] = []
        while any(self._new.values()):
            added = [step for group in self._groups for step in self._add(group)]
            made += added
            if any(self._new.values()):
                removed = [step for group in self._groups for step in self._remove(group)]
                if not added and not removed:
                    raise Stuck(self._stuck())
                made += removed
        made += [step for group in self._groups for step in self._describe(group)]
        made += [step for group in self._groups for step in self._remove(group)]
        held = [
            f"{group.name}: {one.permission.label}"
            for group in self._groups
            for one in self._old[group.name]
        ]
        return made, held

    def _live(self, group: WantedGroup) -> tuple[LiveRule, ...]:
        live = self._state.groups.get(group.name)
        return live.rules if live is not None else ()

    def _add(self, group: WantedGroup) -> list[Step]:
        """What there is room for now, each direction in one call."""
        made: list[Step] = []
        for egress in (False, True):
            taken: dict[Permission, str] = {}
            for one, text in self._new[group.name].items():
                if one.egress == egress and self._fits(group.name, one):
                    taken[one] = text
                    self._now[group.name].add(one)
            for one in taken:
                del self._new[group.name][one]
            if taken:
                live = self._state.groups.get(group.name)
                made.append(Step("authorize", group, live, permissions=taken))
        return made

    def _fits(self, name: str, one: Permission) -> bool:
        there = [other for other in self._now[name] if other.egress == one.egress]
        return all(
            sum(weight(other, family, self._state.weights) for other in (*there, one)) <= self._most
            for family in FAMILIES
            if weight(one, family, self._state.weights)
        )

    def _remove(self, group: WantedGroup) -> list[Step]:
        """Old rules of which everything that is wanted is let in by others."""
        gone: list[LiveRule] = []
        for one in list(self._old[group.name]):
            if self._may_go(group.name, one.permission):
                gone.append(one)
                self._old[group.name].remove(one)
                self._now[group.name].discard(one.permission)
        live = self._state.groups.get(group.name)
        by_direction = [
            [one for one in gone if one.permission.egress is way] for way in (False, True)
        ]
        return [Step("revoke", group, live, rules=tuple(part)) for part in by_direction if part]

    def _may_go(self, name: str, one: Permission) -> bool:
        if one.egress:
            return not any(new.egress for new in self._new[name])
        still = self._reach([one]) & self._wanted()
        if not still:
            return True
        others = [
            other
            for group, there in self._now.items()
            if group == name or not self._state.lacking(self._groups[0].name, group)
            for other in there
            if not other.egress and (group, other) != (name, one)
        ]
        return still <= self._reach(others)

    def _wanted(self) -> Reach:
        parts = [self._reach(list(group.permissions)) for group in self._groups]
        return reduce(or_, parts, Reach())

    def _reach(self, permissions: Collection[Permission]) -> Reach:
        rules = [as_rule(one, self._role) for one in permissions if not one.egress]
        return Reach.of_rules((rule for rule in rules if rule is not None), self._families)

    def _describe(self, group: WantedGroup) -> list[Step]:
        """Own rules that are there for other flows than their description says."""
        changed = tuple(
            one
            for one in self._live(group)
            if one.own
            and one.description
            and one.description != group.permissions.get(one.permission, one.description)
        )
        live = self._state.groups.get(group.name)
        return [
            Step(
                "describe", group, live,
                permissions={one.permission: group.permissions[one.permission] for one in part},
                rules=tuple(part),
            )
            for way in (False, True)
            if (part := [one for one in changed if one.permission.egress is way])
        ]  # fmt: skip

    def _stuck(self) -> str:
        name = next(name for name, new in self._new.items() if new)
        one = next(iter(self._new[name]))
        there = [other for other in self._now[name] if not other.egress]
        counts = " and ".join(
            f"{sum(weight(other, family, self._state.weights) for other in there)} IPv{family}"
            for family in FAMILIES
        )
        return (
            f"{name} holds {counts} inbound rules of {self._most}: there is no room for "
            f"{one.label} before an old rule goes, and every old rule that could go lets in what "
            "is still needed; take rules of others out, or say with --quota what your account has"
        )

"""The order of steps, played through: within the quota, nothing needed is shut, all is done."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from rules.cloud.reach import Reach
from rules.cloudapply.live import LiveGroup, LiveRule, Permission, State, as_rule
from rules.cloudapply.order import Step, Stuck, ordered
from rules.cloudapply.wanted import WantedGroup

BASE = "x-worker"
OUT = Permission(True, "-1", -1, -1, "0.0.0.0/0")
PEERS = [
    *(str(net) for net in ip_network("198.51.100.0/24").subnets(prefixlen_diff=2)),
    "198.51.100.0/24", "0.0.0.0/0", "@worker", "sg-0123456789abcdef0",
]  # fmt: skip


def permissions() -> st.SearchStrategy[Permission]:
    ends = st.tuples(st.integers(1, 4), st.integers(0, 2))
    return st.builds(
        lambda ends, peer: Permission(False, "tcp", ends[0], ends[0] + ends[1], peer),
        ends,
        st.sampled_from(PEERS),
    )


def group(number: int, wanted: set[Permission]) -> WantedGroup:
    name = BASE if number == 1 else f"{BASE}-{number}"
    return WantedGroup(name, "worker", number, "x", {}, dict.fromkeys((*wanted, OUT), "flow"))


def live(name: str, own: set[Permission], foreign: set[Permission]) -> LiveGroup:
    rules = [LiveRule(f"{name}-{one}", one, "flow", True) for one in own]
    rules += [LiveRule(f"{name}-{one}", one, "", False) for one in {*foreign, OUT} - own]
    return LiveGroup(f"id-{name}", name, {"nodeprep:role": "worker"}, tuple(rules))


def reach(sets: dict[str, set[Permission]], carried: set[str]) -> Reach:
    rules = [as_rule(one, "worker") for name in carried & sets.keys() for one in sets[name]]
    return Reach.of_rules([rule for rule in rules if rule is not None], (4,))


def play(
    wanted: list[WantedGroup], state: State, steps: tuple[Step, ...], most: int, carried: set[str]
) -> dict[str, set[Permission]]:
    """The rules of each group after the steps; asserts what must hold after each of them."""
    sets = {
        name: {one.permission for one in group.rules if not one.permission.egress}
        for name, group in state.groups.items()
    }
    target = {one.name: {p for p in one.permissions if not p.egress} for one in wanted}
    needed = reach(sets, carried) & reach(target, set(target))
    for step in steps:
        mine = sets.setdefault(step.group.name, set())
        if step.kind == "authorize":
            new = {one for one in step.permissions if not one.egress}
            assert not new & mine
            mine |= new
        elif step.kind == "revoke":
            assert all(one.own for one in step.rules)
            mine -= {one.permission for one in step.rules}
        assert len(mine) <= most
        assert needed <= reach(sets, carried), step
    return sets


SETS = st.sets(permissions(), max_size=6)


@settings(max_examples=80, deadline=None)
@given(old=SETS, foreign=st.sets(permissions(), max_size=2), new=SETS, spare=st.integers(0, 3))
def test_one_group(
    old: set[Permission], foreign: set[Permission], new: set[Permission], spare: int
) -> None:
    foreign = foreign - old
    most = max(len(old | foreign), len(new | foreign), 1) + spare
    state = State({BASE: live(BASE, old, foreign)})
    wanted = [group(1, new)]
    try:
        steps, held = ordered((*wanted,), state, most, (4,))
    except Stuck:
        event("stuck")
        assert len(old | foreign | new) > most
        return
    kinds = [step.kind for step in steps]
    event("in turns" if kinds.count("authorize") > 1 else "one after the other")
    assert not held
    assert play(wanted, state, steps, most, {BASE}) == {BASE: new | foreign}


@settings(max_examples=40, deadline=None)
@given(old=SETS, new=SETS, more=SETS, attached=st.booleans(), there=st.booleans())
def test_a_second_group_that_nobody_may_carry(
    old: set[Permission], new: set[Permission], more: set[Permission], attached: bool, there: bool
) -> None:
    """Rules of a group count only where every interface of the role carries it."""
    wanted = [group(1, new), group(2, more - new)]
    second = f"{BASE}-2"
    groups = {BASE: live(BASE, old, set())}
    carriers = {BASE: frozenset({"eni-1"})}
    if there:
        groups[second] = live(second, set(), set())
        carriers |= {second: carriers[BASE]} if attached else {}
    state = State(groups, carriers=carriers)
    steps, held = ordered((*wanted,), state, 60, (4,))
    carried = {BASE, second} if there and attached else {BASE}
    after = play(wanted, state, steps, 60, carried)
    assert after.get(second, set()) == more - new
    kept = after[BASE] - new
    assert kept <= old
    assert len(kept) == len(held)
    if there and attached:
        assert not held


def test_what_cannot_be_ordered_is_refused_with_numbers() -> None:
    first, last = (Permission(False, "tcp", port, port, "0.0.0.0/0") for port in (1, 2))
    both = Permission(False, "tcp", 1, 2, "198.51.100.0/24")
    state = State({BASE: live(BASE, {first, last}, set())})
    with pytest.raises(Stuck, match="x-worker holds 2 IPv4 and 0 IPv6 inbound rules of 2"):
        ordered((group(1, {both}),), state, 2, (4,))


def test_ipv6_and_prefix_lists_count_as_ec2_counts() -> None:
    listed = Permission(False, "tcp", 1, 1, "pl-0123456789abcdef0")
    six = Permission(False, "tcp", 1, 1, "2001:db8::/32")
    state = State({BASE: live(BASE, set(), {listed})}, {listed.peer: 59})
    steps, _ = ordered((group(1, {six}),), state, 60, (4, 6))
    assert [step.kind for step in steps if not step.egress] == ["authorize"]
    seven = Permission(False, "tcp", 2, 2, "2001:db8::/32")
    with pytest.raises(Stuck):
        ordered((group(1, {six, seven}),), state, 60, (4, 6))

"""What differs from the wanted groups: prefix lists, IPv6, descriptions, ICMP codes."""

from __future__ import annotations

import pytest

from rules.cloud.document import CloudOptions, CloudRules
from rules.cloud.peer import named_peer
from rules.cloud.plan import Wishes
from rules.cloudapply.converge import converge
from rules.cloudapply.live import LiveGroup, LiveRule, Permission, State, groups_of
from rules.cloudapply.refused import Refused
from rules.cloudapply.wanted import wanted_groups
from rules.cluster import CniChoice
from rules.errors import NodeprepError
from rules.flows import Group
from tests.rules.cloud.plans import plan_of, widest
from tests.rules.render.clusters import cluster

PREFIX_LIST = "pl-0123456789abcdef0"


def rules_of(wishes: Wishes | None = None, families: tuple[int, ...] = (4, 6)) -> CloudRules:
    made = cluster(families=families, cni=CniChoice("flannel", "vxlan"))
    options = CloudOptions(network="vpc-0123456789abcdef0")
    return widest(plan_of(made, wishes=wishes), "aws", options)


def applied(rules: CloudRules, **others: object) -> State:
    """The state that the rules ask for."""
    groups = {
        group.name: LiveGroup(
            f"sg-{number:017x}",
            group.name,
            dict(group.tags),
            tuple(
                LiveRule(f"{group.name} {one.label}", one, text, True)
                for one, text in group.permissions.items()
            ),
        )
        for number, group in enumerate(wanted_groups(rules, State({})))
    }
    return State(groups, **others)  # type: ignore[arg-type]


def test_nothing_differs_from_what_is_wanted() -> None:
    rules = rules_of()
    plan = converge(rules, applied(rules))
    assert (plan.steps, plan.foreign, plan.warnings) == ((), (), ())
    assert plan.usage == rules.usage


def test_a_new_vpc_with_ipv6_lets_out_both_families() -> None:
    rules = rules_of()
    for given, expected in (({4}, {"::/0"}), ({4, 6}, set())):
        steps = converge(rules, State({}, given=frozenset(given))).steps
        out = {one.peer for step in steps if step.egress for one in step.permissions}
        assert out == expected


def test_a_description_that_is_out_of_date_is_renewed() -> None:
    rules = rules_of()
    state = applied(rules)
    name, group = next(iter(state.groups.items()))
    first = group.rules[0]
    old = LiveRule(first.id, first.permission, "old words", True)
    state.groups[name] = LiveGroup(group.id, name, group.tags, (old, *group.rules[1:]))
    plan = converge(rules, state)
    assert [step.kind for step in plan.steps] == ["describe"]
    (change,) = plan.changes
    assert change.before is not None
    assert "old words" in change.before


def test_a_prefix_list_counts_what_ec2_says() -> None:
    def asked(weight: int) -> CloudRules:
        peer = named_peer(PREFIX_LIST, weight)
        return rules_of(Wishes(peers=((Group.ADMINS, peer),)))

    rules = asked(10)
    assert not converge(rules, applied(rules, weights={PREFIX_LIST: 10})).changed
    with pytest.raises(Refused, match=f"counts as 12 rules, not 10: write {PREFIX_LIST}:12"):
        converge(rules, State({}, {PREFIX_LIST: 12}))


def test_one_code_of_an_icmp_type_is_nobodys_of_ours() -> None:
    rules = rules_of()
    state = applied(rules)
    name, group = next(iter(state.groups.items()))
    coded = Permission(False, "icmp", 3, 4, "0.0.0.0/0")
    more = LiveRule("sgr-1", coded, "", False)
    state.groups[name] = LiveGroup(group.id, name, group.tags, (*group.rules, more))
    plan = converge(rules, state)
    assert not plan.changed
    assert plan.foreign == (f"{name}: icmp type 3 code 4 from 0.0.0.0/0 (sgr-1)",)


def test_quotas_beyond_what_aws_gives_are_refused() -> None:
    plan = plan_of(cluster(cni=CniChoice("flannel", "vxlan")))
    options = CloudOptions(quotas=(("rules", 250), ("groups", 5)))
    with pytest.raises(Refused, match="5 groups of 250 rules are 1250"):
        converge(widest(plan, "aws", options), State({}))


def test_a_rule_without_a_sender_is_not_guessed() -> None:
    group = {"GroupId": "sg-1", "GroupName": "x"}
    rule = {"GroupId": "sg-1", "SecurityGroupRuleId": "sgr-7", "IpProtocol": "tcp"}
    with pytest.raises(NodeprepError, match="EC2 describes sgr-7 without a sender"):
        groups_of([group], [rule], {})


def test_names_and_numbers_of_protocols_are_one() -> None:
    group = {"GroupId": "sg-1", "GroupName": "x"}
    rules = [
        {"GroupId": "sg-1", "SecurityGroupRuleId": f"sgr-{number}", "IpProtocol": word,
         "FromPort": -1, "ToPort": -1, "CidrIpv6": "::/0"}
        for number, word in enumerate(("58", "icmpv6", "ICMPv6"))
    ]  # fmt: skip
    found = groups_of([group], rules, {})["x"].rules
    assert {one.permission for one in found} == {Permission(False, "icmpv6", -1, -1, "::/0")}

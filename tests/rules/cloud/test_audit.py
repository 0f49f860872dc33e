"""The audit on random clusters: a rule that is gone is missing, a rule too much is too wide."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.cloud.audit import Audit, Gap, audit
from rules.cloud.found import FoundGroup
from rules.cloud.peer import network_peer
from rules.cloud.plan import CloudPlan
from rules.cloud.reach import Reach
from rules.cloud.rule import Place, Rule
from rules.cloud.witness import Witness, witness
from rules.parse.cloud import parse
from rules.render.cloud import render
from rules.space import Packet
from tests.rules.cloud.plans import plans, widest


def holds(gap: Gap, packet: Witness) -> bool:
    """Whether a packet is one of those that a gap names."""
    if gap.family != packet.family:
        return False
    if gap.protocol is None:
        ports = packet.protocol not in gap.without
    else:
        low, high = gap.ports or (0, 65535)
        ports = gap.protocol == packet.protocol and low <= packet.port <= high
    if packet.source is None:
        return ports and gap.sender == packet.sender
    if not gap.sender[:1].isdigit() and ":" not in gap.sender:
        return False
    first, _, last = gap.sender.partition("-")
    low_end, high_end = ip_network(first), ip_network(last or first)
    address = int(packet.source)
    inside = int(low_end.network_address) <= address <= int(high_end.broadcast_address)
    return ports and low_end.version == packet.source.version and inside


def audited(plan: CloudPlan, groups: list[FoundGroup]) -> Audit:
    return audit(widest(plan, "aws"), groups, {})


def groups_of(plan: CloudPlan) -> list[FoundGroup]:
    (text,) = render("json", widest(plan, "aws")).files.values()
    return list(parse("aws", "json", text))


@settings(max_examples=25, deadline=None)
@given(plan=plans(), data=st.data())
def test_a_rule_that_is_gone_is_missing(plan: CloudPlan, data: st.DataObject) -> None:
    rules = widest(plan, "aws")
    groups = groups_of(plan)
    assert audit(rules, groups, {}).ok
    number = data.draw(st.sampled_from(range(len(groups))))
    group = groups[number]
    gone = data.draw(st.sampled_from(range(len(group.ingress))))
    left = group.ingress[:gone] + group.ingress[gone + 1 :]
    groups[number] = FoundGroup(**{**vars(group), "ingress": left})
    found = audit(rules, groups, {})
    assert not found.too_wide
    packet = witness(rules.groups[number].rules[gone], rules.ingress(rules.groups[number].role))
    assert packet is not None
    role = rules.groups[number].role
    asked = any(gap.role == role and holds(gap, packet) for gap in found.missing)
    if packet.source is not None:
        # What was allowed beyond the policy is not missed.
        point = Packet(packet.family, packet.protocol, packet.source, packet.port)
        needed = Reach.of_grants(plan.grants)
        assert asked is any(point in needed.of_pair(role, "", place) for place in Place)
    assert all(gap.by for gap in found.missing)


@settings(max_examples=25, deadline=None)
@given(plan=plans(), port=st.integers(1, 65535), protocol=st.sampled_from([6, 17]))
def test_a_rule_too_much_is_too_wide(plan: CloudPlan, port: int, protocol: int) -> None:
    """From a network that no cluster of these has."""
    groups = groups_of(plan)
    group = groups[0]
    stranger = network_peer(ip_network("233.252.0.0/24"))
    more = Rule(group.name, Place.NODE, (4,), stranger, protocol, (port, port), where="here")
    groups[0] = FoundGroup(**{**vars(group), "ingress": (*group.ingress, more)})
    found = audited(plan, groups)
    assert not found.missing
    already = audited(plan, groups_of(plan)).ok and not found.too_wide
    if 4 not in plan.families or already:
        return  # it is let in from everywhere, or nothing of IPv4 is looked at
    assert len(found.too_wide) == 1
    (gap,) = found.too_wide
    assert (gap.sender, gap.protocol, gap.ports) == ("233.252.0.0/24", protocol, (port, port))
    assert gap.by == (f"{group.name}: {more.what} from 233.252.0.0/24 (here)",)

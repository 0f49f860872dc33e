"""Traces: hooks, jumps, NAT, marks, and which rule is named."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from rules.packet import ICMP, ICMPV6, UDP
from rules.parse.iptables import parse_iptables_save
from rules.parse.tablejoin import joined
from rules.ruleset import (
    Action,
    Base,
    Chain,
    Element,
    Key,
    Lookup,
    PacketSet,
    Ruleset,
    Table,
)
from rules.tracing.trace import Tracer, trace
from tests.rules.traces import LOCAL, accept, nft, packet, save, traced


def test_the_first_rule_that_matches_decides() -> None:
    found = traced(
        save("INPUT -p udp -j DROP", "INPUT -p tcp -m tcp --dport 6443 -j ACCEPT", policy="DROP")
    )
    assert found.verdict == "accept"
    assert found.decided_by is not None
    assert (found.decided_by.chain, found.decided_by.number) == ("INPUT", 2)
    assert found.admitted is True
    assert found.hook == "input"


def test_a_policy_decides_where_no_rule_does() -> None:
    found = traced(save("INPUT -p udp -j ACCEPT", policy="DROP"))
    assert found.verdict == "drop"
    assert found.decided_by is not None
    assert found.decided_by.is_policy
    assert found.decided_by.rule == "policy drop"


def test_an_empty_ruleset_lets_everything_through() -> None:
    found = trace(Ruleset(), packet())
    assert (found.verdict, found.decided_by) == ("accept", None)


def test_legacy_rules_drop_what_nft_accepts() -> None:
    nft = parse_iptables_save(save("INPUT -j ACCEPT"), "iptables-nft", 4)
    legacy = parse_iptables_save(save("INPUT -p tcp -j DROP"), "iptables-legacy", 4)
    found = trace(joined(nft, legacy), packet(), local_addresses=LOCAL)
    assert found.verdict == "drop"
    assert found.decided_by is not None
    assert found.decided_by.backend == "iptables-legacy"


def test_accept_ends_its_own_base_chain_only() -> None:
    early = Chain("early", (accept(),), Base("input", -10))
    late = Chain("late", (accept(action=Action.DROP, text="late drop"),), Base("input", 10))
    found = trace(nft(late, early), packet())
    assert found.verdict == "drop"
    assert found.decided_by is not None
    assert found.decided_by.rule == "late drop"
    assert [step.chain for step in found.path] == ["early", "late"]


def test_jump_comes_back_and_goto_does_not() -> None:
    rules = ("INPUT -j SUB", "INPUT -j DROP", "SUB -p tcp -j RETURN", "SUB -j ACCEPT")
    assert traced(save(*rules, chains="SUB")).verdict == "drop"
    found = traced(save("INPUT -g SUB", *rules[1:3], chains="SUB"))
    assert found.verdict == "accept"
    assert found.decided_by is not None
    assert found.decided_by.is_policy


def test_reject() -> None:
    assert traced(save("INPUT -j REJECT")).verdict == "reject"


def test_dnat_sends_a_packet_to_forward() -> None:
    found = traced(
        save("PREROUTING -p tcp -m tcp --dport 6443 -j DNAT --to-destination 10.244.1.5:8080",
             table="nat"),
        save("INPUT -j ACCEPT",
             "FORWARD -d 10.244.1.5/32 -p tcp -m tcp --dport 8080 -m conntrack --ctstate DNAT "
             "--ctorigdstport 6443 -j ACCEPT", policy="DROP"),
    )  # fmt: skip
    assert (found.verdict, found.hook) == ("accept", "forward")
    assert (str(found.destination), found.destination_port) == ("10.244.1.5", 8080)


def test_nat_is_for_new_connections_only() -> None:
    nat = save("PREROUTING -j DNAT --to-destination 10.244.1.5", table="nat")
    assert traced(nat, state="established").hook == "input"
    assert traced(nat).hook == "forward"


def test_redirect_stays_here() -> None:
    found = traced(
        save("PREROUTING -p tcp -j REDIRECT --to-ports 80", table="nat"),
        save("INPUT -p tcp -m tcp --dport 80 -j ACCEPT", policy="DROP"),
        destination=ip_address("198.51.100.1"),
    )
    assert (found.verdict, found.hook) == ("accept", "input")


def test_all_endpoints_of_a_service_are_tried() -> None:
    nat = save(
        "PREROUTING -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.1.0.1",
        "PREROUTING -j DNAT --to-destination 10.1.0.2",
        table="nat",
    )
    both = traced(nat, save("FORWARD -d 10.1.0.0/16 -j ACCEPT", policy="DROP"))
    assert both.verdict == "accept"
    one = traced(nat, save("FORWARD -d 10.1.0.1/32 -j ACCEPT", policy="DROP"))
    assert one.verdict == "unknown"
    assert one.outcomes == ("accept", "drop")
    assert any("statistic" in reason for reason in one.unknown)


def test_marks_are_followed() -> None:
    mangle = save("PREROUTING -j MARK --set-xmark 0x4001/0xffff", table="mangle")
    rules = save("INPUT -m mark --mark 0x4000/0x4000 -j ACCEPT", policy="DROP")
    assert traced(mangle, rules).verdict == "accept"
    assert traced(rules).verdict == "drop"


def test_connection_marks_too() -> None:
    mangle = save(
        "PREROUTING -j CONNMARK --set-xmark 0x7/0xffffffff",
        "PREROUTING -j CONNMARK --restore-mark",
        table="mangle",
    )
    rules = save("INPUT -m mark --mark 0x7 -m connmark --mark 0x7 -j ACCEPT", policy="DROP")
    assert traced(mangle, rules).verdict == "accept"


def test_notrack_makes_a_packet_untracked() -> None:
    raw = save("PREROUTING -p tcp -j CT --notrack", table="raw").replace(
        ":INPUT ACCEPT [0:0]\n", ""
    )
    raw = raw.replace(":FORWARD ACCEPT [0:0]\n", "").replace(":POSTROUTING ACCEPT [0:0]\n", "")
    rules = save("INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT", policy="DROP")
    assert traced(raw, rules).verdict == "accept"
    assert traced(raw, rules, protocol=UDP).verdict == "drop"


@pytest.mark.parametrize(
    ("family", "kind", "state"),
    [(4, 8, "NEW"), (4, 3, "INVALID"), (6, 135, "UNTRACKED"), (6, 128, "NEW"), (6, 2, "INVALID")],
)
def test_the_state_of_icmp(family: int, kind: int, state: str) -> None:
    text = save(f"INPUT -m conntrack --ctstate {state} -j ACCEPT", policy="DROP")
    ends = ("192.0.2.1", "192.0.2.11") if family == 4 else ("fe80::1", "fd00::1")
    found = trace(
        parse_iptables_save(text, "iptables-nft", family),
        packet(
            family=family,
            protocol=ICMP if family == 4 else ICMPV6,
            source=ip_address(ends[0]),
            destination=ip_address(ends[1]),
            icmp_type=kind,
            icmp_code=0,
        ),
    )
    assert found.verdict == "accept"


def test_the_way_out_comes_from_the_routes() -> None:
    rules = save("FORWARD -o cni0 -j ACCEPT", policy="DROP")
    pod = ip_address("10.244.1.5")
    assert traced(rules, destination=pod).verdict == "unknown"
    assert traced(rules, destination=pod, interface_out="cni0").verdict == "accept"
    assert traced(rules, destination=pod, routes=lambda _: "cni0").verdict == "accept"


def test_reverse_path() -> None:
    rules = save("PREROUTING -m rpfilter --invert -j DROP", table="mangle")
    assert traced(rules).verdict == "unknown"
    assert traced(rules, reverse_path=False).verdict == "drop"
    assert traced(rules, reverse_path=True).verdict == "accept"
    assert traced(rules, interface_in=None).verdict == "accept"


def test_local_addresses_and_broadcasts() -> None:
    rules = save(
        "INPUT -m addrtype --dst-type LOCAL -j ACCEPT",
        "INPUT -m addrtype --dst-type BROADCAST -j REJECT",
        policy="DROP",
    )
    assert traced(rules).verdict == "accept"
    assert traced(rules, destination=ip_address("192.0.2.255")).verdict == "reject"
    assert traced(rules, destination=ip_address("224.0.0.1")).verdict == "drop"
    ruleset = parse_iptables_save(rules, "iptables-nft", 4)
    plain = trace(
        ruleset,
        packet(destination=ip_address("192.0.2.255")),
        local_addresses=[ip_address("192.0.2.11")],
        hook="input",
    )
    assert plain.outcomes == ("drop", "reject")


def test_hook_output() -> None:
    rules = save("OUTPUT -o lo -j ACCEPT", "OUTPUT -p tcp -j DROP", "INPUT -j DROP")
    assert traced(rules, hook="output", interface_out="eth0").verdict == "drop"
    assert traced(rules, hook="output", interface_out="lo").verdict == "accept"


def test_large_sets_with_exceptions() -> None:
    inside = tuple(Element(((10 * number, 10 * number + 4),)) for number in range(1000))
    source = int(ip_address("203.0.113.5"))
    wide = Element(((source - 100, source + 100),))
    narrow = Element(((source, source),), excluded=True)
    for elements, verdict in (
        (inside, "drop"),
        ((*inside, wide), "accept"),
        ((*inside, wide, narrow), "drop"),
    ):
        chain = Chain(
            "c",
            (accept(Lookup((Key("ip saddr"),), PacketSet("s", elements))),),
            Base("input", 0, policy=Action.DROP),
        )
        assert trace(nft(chain), packet()).verdict == verdict


def test_a_later_chain_of_the_same_table_and_priority_comes_first() -> None:
    first = Chain("first", (accept(action=Action.DROP, text="first"),), Base("input", 0))
    second = Chain("second", (accept(action=Action.DROP, text="second"),), Base("input", 0))
    found = trace(nft(first, second), packet())
    assert found.decided_by is not None
    assert found.decided_by.rule == "second"


def test_dormant_tables_and_other_families_do_not_count() -> None:
    drop = {"c": Chain("c", (), Base("input", 0, policy=Action.DROP))}
    for table in (
        Table("nft", "inet", "t", drop, dormant=True),
        Table("nft", "ip6", "t", drop),
        Table("nft", "bridge", "t", drop),
    ):
        found = trace(Ruleset((table,), bridges=frozenset()), packet())
        assert found.verdict == "accept"


def test_ingress_chains_see_their_devices() -> None:
    base = Base("ingress", 0, policy=Action.DROP, devices=("eth1",))
    ruleset = nft(Chain("c", (), base), family="netdev")
    assert trace(ruleset, packet()).verdict == "accept"
    assert trace(ruleset, packet(interface_in="eth1")).verdict == "drop"


def test_egress_chains_see_what_leaves_by_their_devices() -> None:
    base = Base("egress", 0, policy=Action.DROP, devices=("eth1",))
    ruleset = nft(Chain("c", (), base), family="netdev")
    for hook in ("forward", "output"):
        assert trace(ruleset, packet(interface_out="eth1"), hook=hook).verdict == "drop"
        assert trace(ruleset, packet(interface_out="eth0"), hook=hook).verdict == "accept"
    assert trace(ruleset, packet(), hook="input").verdict == "accept"


def test_one_tracer_for_many_packets() -> None:
    text = save("INPUT -p tcp -m tcp --dport 6443 -j ACCEPT", policy="DROP")
    tracer = Tracer(parse_iptables_save(text, "iptables-nft", 4))
    verdicts = [
        tracer.trace(packet(destination_port=port), local_addresses=LOCAL).verdict
        for port in (6442, 6443, 6444)
    ]
    assert verdicts == ["drop", "accept", "drop"]

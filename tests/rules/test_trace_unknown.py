"""Traces through what is not known: whether it matters, and that it is named."""

from __future__ import annotations

import pytest

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
    Rule,
    Ruleset,
    Table,
    Test,
    Touch,
    Unsupported,
    Verdict,
)
from rules.tracing.trace import trace
from tests.rules.traces import LOCAL, accept, nft, packet, save, traced


def test_an_unknown_match_before_the_same_outcome_does_not_matter() -> None:
    found = traced(save("INPUT -m limit --limit 5/min -j LOG", "INPUT -p tcp -j ACCEPT"))
    assert (found.verdict, found.unknown) == ("accept", ())
    found = traced(save("INPUT -m limit --limit 5/min -j DROP", policy="DROP"))
    assert found.verdict == "drop"


def test_an_unknown_match_that_matters_is_named() -> None:
    found = traced(save("INPUT -m limit --limit 5/min -j ACCEPT", policy="DROP"))
    assert found.verdict == "unknown"
    assert found.admitted is None
    assert found.outcomes == ("accept", "drop")
    [reason] = found.unknown
    assert "-m limit --limit 5/min" in reason
    assert "INPUT rule 1" in reason


def test_drop_or_reject_is_stopped_in_any_case() -> None:
    rules = save("INPUT -m limit --limit 5/min -j REJECT", "INPUT -j DROP")
    found = traced(rules)
    assert (found.verdict, found.admitted) == ("drop", False)
    assert found.outcomes == ("drop", "reject")
    assert found.decided_by is not None


def test_an_unknown_jump_is_followed_both_ways() -> None:
    rules = ["INPUT -m limit --limit 1/sec -j SUB", "INPUT -j ACCEPT", "SUB -p udp -j DROP"]
    assert traced(save(*rules, chains="SUB")).verdict == "accept"
    rules[2] = "SUB -p tcp -j DROP"
    assert traced(save(*rules, chains="SUB")).verdict == "unknown"


def test_an_unknown_target_is_unknown_and_named() -> None:
    found = traced(save("INPUT -p tcp -j NFQUEUE --queue-num 1"))
    assert (found.verdict, found.outcomes) == ("unknown", ("unknown",))
    assert found.admitted is None
    assert "queue" in found.unknown[0]


def test_what_the_packet_does_not_say_is_unknown_where_it_matters() -> None:
    rules = save("INPUT -p tcp -m tcp --sport 53 -j ACCEPT", policy="DROP")
    found = traced(rules, source_port=None)
    assert found.verdict == "unknown"
    assert "source port" in found.unknown[0]
    rules = save("INPUT -p tcp -m tcp --sport 0:65535 -j ACCEPT", policy="DROP")
    assert traced(rules, source_port=None).verdict == "accept"


def test_a_packet_of_another_host_does_not_come_by_loopback() -> None:
    rules = save("INPUT -i lo -j ACCEPT", policy="DROP")
    assert traced(rules, interface_in=None).verdict == "drop"
    rules = save("INPUT -i eth0 -j ACCEPT", policy="DROP")
    assert traced(rules, interface_in=None).verdict == "unknown"
    assert traced(rules, interface_in=None, routes=lambda _: "eth0").verdict == "accept"


def test_a_set_that_packets_change_is_unknown_after() -> None:
    dynamic = PacketSet("seen", (Element(((1, 1),)),))
    lookup = Lookup((Key("ip saddr"),), dynamic)
    touching = Rule((Touch("seen"),), "update @seen")
    base = Base("input", 0, policy=Action.DROP)
    assert trace(nft(Chain("c", (accept(lookup),), base)), packet()).verdict == "drop"
    found = trace(nft(Chain("c", (touching, accept(lookup)), base)), packet())
    assert found.verdict == "unknown"


def test_chains_of_one_priority_in_two_tables_have_no_known_order() -> None:
    marks = parse_iptables_save(
        save("INPUT -j MARK --set-xmark 0x1/0x1", table="mangle"), "iptables-legacy", 4
    )
    reads = nft(
        Chain("c", (accept(Test(Key("meta mark"), ((1, 1),)), action=Action.DROP),),
              Base("input", -150))
    )  # fmt: skip
    found = trace(joined(marks, reads), packet(), local_addresses=LOCAL)
    assert found.verdict == "unknown"
    assert "comes first" in found.unknown[0]


@pytest.mark.parametrize(
    ("bridges", "interface_in", "interface_out", "verdict"),
    [
        (None, "eth0", "eth1", "unknown"),
        (frozenset({"br0"}), "eth0", "eth1", "accept"),
        (frozenset({"br0"}), "br0", "eth1", "unknown"),
        (frozenset({"br0"}), "eth0", "br0", "unknown"),
        (frozenset({"br0"}), None, "eth1", "unknown"),
        (frozenset(), None, "eth1", "accept"),
    ],
)
def test_what_bridges_filter_is_unknown(
    bridges: frozenset[str] | None, interface_in: str | None, interface_out: str, verdict: str
) -> None:
    drop = Rule((Verdict(Action.DROP),), "drop")
    chains = {"c": Chain("c", (drop,), Base("forward", 0))}
    ruleset = Ruleset((Table("nft", "bridge", "t", chains),), bridges=bridges)
    sent = packet(interface_in=interface_in, interface_out=interface_out)
    found = trace(ruleset, sent, hook="forward")
    assert found.verdict == verdict
    assert verdict == "accept" or "nft bridge t c" in found.unknown[0]
    harmless = {"c": Chain("c", (Rule((Verdict(Action.ACCEPT),), "accept"),), Base("forward", 0))}
    assert trace(Ruleset((Table("nft", "bridge", "t", harmless),)), sent).verdict == "accept"


def test_a_chain_of_unknown_devices_is_unknown() -> None:
    base = Base("ingress", 0, policy=Action.DROP)
    ruleset = nft(Chain("c", (), base), family="netdev")
    found = trace(ruleset, packet())
    assert found.verdict == "unknown"
    assert "device" in found.unknown[0]


def test_a_table_that_may_be_dormant_is_unknown() -> None:
    drop = {"c": Chain("c", (), Base("input", 0, policy=Action.DROP))}
    found = trace(Ruleset((Table("nft", "inet", "t", drop, dormant=None),)), packet())
    assert found.verdict == "unknown"
    assert "dormant" in found.unknown[0]


def test_a_chain_that_is_missing_is_unknown() -> None:
    rule = Rule((Verdict(Action.JUMP, "gone"),), "jump gone")
    found = trace(nft(Chain("c", (rule,), Base("input", 0))), packet())
    assert found.verdict == "unknown"
    assert "gone" in found.unknown[0]


def test_a_loop_of_chains_ends() -> None:
    rules = ["INPUT -j A", "A -j B", "B -j A"]
    assert traced(save(*rules, chains="A B")).verdict == "unknown"


def test_many_unknown_matches_take_no_exponential_time() -> None:
    rules = ["INPUT -m limit --limit 1/sec -j SUB"] * 200
    rules += ["SUB -m limit --limit 1/sec -j RETURN"] * 50
    assert traced(save(*rules, "INPUT -p tcp -j ACCEPT", chains="SUB")).verdict == "accept"


def test_unsupported_in_any_place() -> None:
    either = Unsupported("something")
    base = Base("input", 0, policy=Action.DROP)
    found = trace(nft(Chain("c", (accept(either),), base)), packet())
    assert found.verdict == "unknown"
    assert "something" in found.unknown[0]

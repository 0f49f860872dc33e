"""nft's JSON, as nft 1.0.6 (Debian 12) prints a table with one rule for each expression."""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from rules.errors import ConfigError
from rules.parse.nft import parse_nft
from rules.parse.nftheads import lacks_head, with_head
from rules.ruleset import (
    Action,
    Element,
    Key,
    Lookup,
    Nat,
    Note,
    PacketSet,
    Rule,
    Ruleset,
    SetMark,
    Test,
    Touch,
    Unsupported,
    UnsupportedStatement,
    Untrack,
    Verdict,
    VerdictMap,
)

CAPTURES = Path(__file__).parents[2] / "captures" / "firewall"
TOP = (1 << 128) - 1
MARKS = PacketSet("mm", (Element(((0x01020304, 0x01020304),), data=(5,)),))
# Texts that differ from nft's own in spelling only.
SPELLED_OTHERWISE = 12


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return parse_nft((CAPTURES / "nft-1.0.6-expressions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rules(ruleset: Ruleset) -> dict[str, Rule]:
    [table] = ruleset.tables
    return {rule.text: rule for chain in table.chains.values() for rule in chain.rules}


def number(text: str) -> int:
    return int(ip_address(text))


def test_rules_are_shown_as_nft_prints_them(ruleset: Ruleset) -> None:
    printed = {}
    for line in (CAPTURES / "nft-1.0.6-expressions.txt").read_text(encoding="utf-8").splitlines():
        if found := re.search(r"^(.*) # handle (\d+)$", line.strip()):
            printed[int(found[2])] = found[1]
    rules = [rule for chain in ruleset.tables[0].chains.values() for rule in chain.rules]
    other = [rule.text for rule in rules if printed[rule.handle or 0] != rule.text]
    assert len(rules) == 154
    assert len(other) <= SPELLED_OTHERWISE, other


def test_base_chains_and_regular_ones(ruleset: Ruleset) -> None:
    chains = ruleset.tables[0].chains
    assert chains["c2"].base is None
    base = chains["in"].base
    assert base is not None
    assert (base.hook, base.priority, base.type, base.policy) == ("input", 5, "filter", Action.DROP)
    assert [hung.chain.name for group in ruleset.bases("input", 4) for hung in group] == ["in"]
    assert ruleset.bases("forward", 4) == []


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("ct state established,related accept", Test(Key("ct state", 6), ((0, 0),), True)),
        ("ct state { new, untracked } counter", Test(Key("ct state"), ((8, 8), (64, 64)))),
        ("ct state != new accept", Test(Key("ct state"), ((8, 8),), True)),
        ("ct status dnat accept", Test(Key("ct status", 0x20), ((0, 0),), True)),
        ("ct mark & 0x000000ff == 0x00000010 accept", Test(Key("ct mark", 255), ((16, 16),))),
        ('iif "lo" accept', Test(Key("meta iifname"), ("lo",))),
        ('iifname { "eth0", "wl*" } accept', Test(Key("meta iifname"), ("eth0", "wl*"))),
        ("tcp dport 1024-2048 accept", Test(Key("tcp dport"), ((1024, 2048),))),
        ("tcp sport != { 22, 53 } drop", Test(Key("tcp sport"), ((22, 22), (53, 53)), True)),
        ("tcp flags syn / syn,ack accept", Test(Key("tcp flags", 0x12), ((2, 2),))),
        ("tcp flags != syn / syn,ack drop", Test(Key("tcp flags", 0x12), ((2, 2),), True)),
        ("tcp flags syn accept", Test(Key("tcp flags", 2), ((0, 0),), True)),
        ("icmp type { destination-unreachable, echo-request } accept",
         Test(Key("icmp type"), ((3, 3), (8, 8)))),
        ("icmpv6 type destination-unreachable-parameter-problem accept",
         Test(Key("icmpv6 type"), ((1, 4),))),
        ("meta l4proto ipv6-icmp accept", Test(Key("meta l4proto"), ((58, 58),))),
        ("ip protocol { esp, ah } accept", Test(Key("ip protocol"), ((50, 50), (51, 51)))),
        ("fib saddr . iif oif missing drop", Test(Key("fib saddr oif"), ((0, 0),))),
        ("fib saddr . mark . iif oif 0 drop", Test(Key("fib saddr oif"), ((0, 0),))),
        ("fib daddr type { local, broadcast } accept",
         Test(Key("fib daddr type"), ((2, 2), (3, 3)))),
        ("ip saddr & 0.0.0.255 == 0.0.0.1 accept", Test(Key("ip saddr", 255), ((1, 1),))),
        ("ip6 saddr fe80::/10 accept",
         Test(Key("ip6 saddr"), ((number("fe80::"), number("fe80::") + 2**118 - 1),))),
        ("ct original ip daddr 1.2.3.4 accept",
         Test(Key("ct original ip daddr"), ((number("1.2.3.4"),) * 2,))),
        ("numgen inc mod 2 0 accept", Test(Key("random", modulus=2), ((0, 0),))),
    ],
)  # fmt: skip
def test_matches(rules: dict[str, Rule], text: str, match: Test) -> None:
    assert rules[text].matches == (match,)


def test_named_sets_and_concatenations(rules: dict[str, Rule]) -> None:
    [match] = rules["ip saddr . tcp dport @cc accept"].matches
    assert isinstance(match, Lookup)
    assert match.keys == (Key("ip saddr"), Key("tcp dport"))
    assert match.set.elements == (
        Element(((number("10.0.0.0"), number("10.0.0.255")), (80, 90))),
        Element(((number("1.1.1.1"),) * 2, (443, 443))),
    )
    [match] = rules["ip saddr != @s4 drop"].matches
    assert isinstance(match, Lookup)
    assert match.negated
    assert len(match.set.elements) == 3


def test_verdict_maps(rules: dict[str, Rule]) -> None:
    rule = rules["tcp dport vmap { 22 : accept, 30000-32767 : jump c2, * : drop }"]
    found = rule.statement
    assert isinstance(found, VerdictMap)
    assert found.map.elements == (
        Element(((22, 22),), Verdict(Action.ACCEPT)),
        Element(((30000, 32767),), Verdict(Action.JUMP, "c2")),
    )
    assert found.map.default == Element((), Verdict(Action.DROP))
    assert isinstance(rules["tcp dport vmap @vm"].statement, VerdictMap)


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("tcp dport 5555 redirect to :6666", Nat("redirect", ports=(6666, 6666))),
        ("meta l4proto tcp dnat ip to 10.0.0.1-10.0.0.9:80-90 random",
         Nat("dnat", (number("10.0.0.1"), number("10.0.0.9")), (80, 90), family=4)),
        ("meta l4proto tcp dnat ip6 to [fd00::2]:80",
         Nat("dnat", (number("fd00::2"),) * 2, (80, 80), family=6)),
        ('oifname "eth0" masquerade random', Nat("masquerade")),
        ("jump { accept }", UnsupportedStatement("jump { accept }")),
        ("tcp dport set 80", UnsupportedStatement("tcp dport set 80")),
    ],
)  # fmt: skip
def test_statements(rules: dict[str, Rule], text: str, statement: object) -> None:
    assert rules[text].statement == statement


def test_dnat_by_a_map(rules: dict[str, Rule]) -> None:
    found = rules["dnat ip to tcp dport map @dn"].statement
    assert isinstance(found, Nat)
    assert found.map is not None
    assert found.map.elements == (Element(((80, 80),), data=(number("10.0.0.1"), 8080)),)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("meta mark set 0x00000001", [SetMark("meta mark", source_mask=0, xor=1)]),
        ("meta mark set meta mark | 0x00004000",
         [SetMark("meta mark", keep=0xFFFFBFFF, xor=0x4000)]),
        ("meta mark set meta mark & 0xffff0005 | 0x00000005",
         [SetMark("meta mark", keep=0xFFFF0000, xor=5)]),
        ("ct mark set meta mark", [SetMark("ct mark", source=Key("meta mark"))]),
        ("meta mark set ct mark", [Test(Key("ct mark"), ((0, TOP),)),
                                   SetMark("meta mark", source=Key("ct mark"))]),
        ("meta mark set ip saddr map @mm",
         [Lookup((Key("ip saddr"),), MARKS),
          SetMark("meta mark", unknown="meta mark set ip saddr map @mm")]),
        ("notrack", [Untrack()]),
        ("log group 2 snaplen 80", [Note("log group 2 snaplen 80")]),
        ("update @dyn { ip saddr }", [Test(Key("ip saddr"), ((0, TOP),)), Touch("dyn")]),
        ("meta l4proto tcp reject with tcp reset",
         [Test(Key("meta l4proto"), ((6, 6),)), Test(Key("meta l4proto"), ((6, 6),)),
          Verdict(Action.REJECT)]),
    ],
)  # fmt: skip
def test_effects(rules: dict[str, Rule], text: str, parts: list[object]) -> None:
    assert list(rules[text].parts) == parts


@pytest.mark.parametrize(
    "text",
    [
        "limit rate 5/second",
        "limit rate over 10/minute",
        'limit name "l1"',
        "quota over 25 mbytes",
        "ct count over 5",
        "meter m1 { ip saddr limit rate over 10/second }",
        "ip ttl < 5",
        "ip dscp cs1",
        "meta skuid 0",
        "meta length 100-200",
        "meta hour 10:00-12:00",
        "socket transparent 1",
        "ether saddr 00:11:22:33:44:55",
        "tcp option maxseg exists",
        "exthdr hbh exists",
        "@nh,96,32 16909060",
        'ct helper "ftp"',
        "vlan id 5",
    ],
)
def test_what_is_not_modelled_keeps_its_text(ruleset: Ruleset, text: str) -> None:
    found = {
        part.text
        for chain in ruleset.tables[0].chains.values()
        for rule in chain.rules
        for part in rule.parts
        if isinstance(part, Unsupported)
    }
    assert text in found


def test_a_header_that_an_unknown_match_needs_is_known(rules: dict[str, Rule]) -> None:
    assert rules["ip ttl 1 drop"].matches[0] == Test(Key("meta nfproto"), ((2, 2),))


def test_comments(rules: dict[str, Rule]) -> None:
    assert rules['ip saddr 1.2.3.4 counter comment "a b; {{ x"'].comment == "a b; {{ x"


def table(*objects: dict[str, Any]) -> str:
    head = [{"table": {"family": "inet", "name": "t", "handle": 1}}]
    return json.dumps({"nftables": [*head, *objects]})


def test_newer_versions_write_flags_with_an_operator() -> None:
    expression = {
        "match": {
            "op": "==",
            "left": {"&": [{"payload": {"protocol": "tcp", "field": "flags"}},
                           {"|": ["syn", "ack"]}]},
            "right": "syn",
        }
    }  # fmt: skip
    text = table(
        {"chain": {"family": "inet", "table": "t", "name": "c", "handle": 1}},
        {"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 2,
                  "expr": [expression]}},
    )  # fmt: skip
    [rule] = parse_nft(text).tables[0].chains["c"].rules
    assert rule.matches == (Test(Key("tcp flags", 0x12), ((2, 2),)),)


def test_a_set_that_cannot_be_read_is_unknown_and_not_empty() -> None:
    text = table(
        {"set": {"family": "inet", "table": "t", "name": "s", "handle": 1, "type": "ether_addr",
                 "elem": ["00:11:22:33:44:55"]}},
        {"set": {"family": "inet", "table": "t", "name": "l", "handle": 2, "type": "ipv4_addr",
                 "elem": [{"elem": {"val": "1.2.3.4", "limit": {"rate": 1, "per": "day"}}}]}},
    )  # fmt: skip
    sets = parse_nft(text).tables[0].sets
    assert "ether" in sets["s"].unknown or "00:11" in sets["s"].unknown
    assert "limit" in sets["l"].unknown


def test_iptables_extensions_in_nft() -> None:
    text = table(
        {"chain": {"family": "inet", "table": "t", "name": "c", "handle": 1}},
        {"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 2,
                  "expr": [{"xt": {"type": "match", "name": "conntrack"}},
                           {"xt": {"type": "target", "name": "MASQUERADE"}}]}},
        {"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 3,
                  "expr": [{"xt": None}]}},
    )  # fmt: skip
    first, second = parse_nft(text).tables[0].chains["c"].rules
    assert isinstance(first.parts[0], Unsupported)
    assert isinstance(first.parts[1], UnsupportedStatement)
    assert isinstance(second.parts[0], UnsupportedStatement)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "table inet filter {",
        "[]",
        '{"nftables": 5}',
        '{"nftables": [{"rule": {"family": "inet"}}]}',
        '{"nftables": [{"table": null}]}',
        "[" * 100_000,
    ],
)
def test_other_text_is_one_error(text: str) -> None:
    with pytest.raises(ConfigError, match="saved"):
        parse_nft(text, source="saved")


DORMANT = {"family": "inet", "name": "t", "handle": 1, "flags": "Lester Gooch #5"}
ONE_DEVICE = {"family": "inet", "table": "t", "name": "in", "handle": 1, "type": "filter",
              "hook": "ingress", "prio": 0, "policy": "accept"}  # fmt: skip
HEAD = """\
table inet t {
\tflags dormant

\tchain in {
\t\tcomment "device nobody"
\t\ttype filter hook ingress %s priority filter; policy accept;
\t\tip saddr 192.0.2.1 drop comment "flags owner"
\t}
}
"""


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ('device "eth0"', ("eth0",)),
        ("devices = { eth0, br-lan }", ("eth0", "br-lan")),
        ('devices = { "eth0", "br-lan" }', ("eth0", "br-lan")),
    ],
)
def test_what_the_json_leaves_out_of_a_table(text: str, devices: tuple[str, ...]) -> None:
    document = json.dumps({"nftables": [{"table": DORMANT}, {"chain": ONE_DEVICE}]})
    [table] = parse_nft(document).tables
    assert lacks_head(table)
    assert table.dormant is None
    whole = with_head(table, HEAD % text)
    assert whole.dormant is True
    base = whole.chains["in"].base
    assert base is not None
    assert base.devices == devices
    assert not lacks_head(whole)
    assert with_head(table, (HEAD % text).replace("\tflags dormant\n", "")).dormant is False


@pytest.mark.parametrize(
    ("flags", "dormant"),
    [([], False), (["owner"], False), ("dormant", True), (["owner", "dormant"], True)],
)
def test_flags_of_tables(flags: object, dormant: bool) -> None:
    document = json.dumps({"nftables": [{"table": {**DORMANT, "flags": flags}}]})
    [table] = parse_nft(document).tables
    assert table.dormant is dormant

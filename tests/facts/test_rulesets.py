"""The rules themselves: which programs are asked, and what one that fails means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.firewall import FilterTable, RulesetText
from preflight.facts.rulesets import LIMIT_BYTES, read_rulesets
from rules.run import Output
from tests.nodes.firewall import table

NFT_IPTABLES = "iptables v1.8.9 (nf_tables)"


class Programs(Host):
    """A host whose programs print what it is told; any other is not installed."""

    def __init__(self, **texts: str) -> None:
        super().__init__()
        self.texts = {name.replace("_", "-"): text for name, text in texts.items()}
        self.asked: list[str] = []

    def start(self, argv: Sequence[str]) -> Callable[[], Known[Output]]:
        self.asked.append(" ".join(argv))
        text = self.texts.get(argv[0])
        if text is None:
            return lambda: Unknown("absent", f"{argv[0]} is not installed")
        return lambda: Output(tuple(argv), 0, text, "")


def nft_table() -> FilterTable:
    return FilterTable("nft", "inet", "mine", 1, ("in",), {"in": "DROP"}, {"": 1})


def test_without_rules_no_program_runs() -> None:
    host = Programs()
    assert read_rulesets(host, (table("iptables-nft"),), (), NFT_IPTABLES) == ()
    assert host.asked == []


def test_each_tool_that_holds_rules_is_asked_once() -> None:
    host = Programs(nft="{}", iptables_save="four", ip6tables_legacy_save="six")
    tables = (nft_table(), table("iptables-nft", hand=1), table("iptables-nft", "nat", hand=1))
    found = read_rulesets(host, tables, (table("ip6tables-legacy", hand=1),), NFT_IPTABLES)
    assert found == (
        RulesetText("nft", "{}"),
        RulesetText("iptables-nft", "four"),
        RulesetText("ip6tables-legacy", "six"),
    )
    assert host.asked == ["nft -j list ruleset", "iptables-save", "ip6tables-legacy-save"]


@pytest.mark.parametrize(
    ("version", "backend", "program"),
    [
        (NFT_IPTABLES, "iptables-nft", "iptables-save"),
        (NFT_IPTABLES, "iptables-legacy", "iptables-legacy-save"),
        ("iptables v1.8.7 (legacy)", "iptables-nft", "iptables-nft-save"),
        ("iptables v1.6.1", "iptables-legacy", "iptables-save"),
        (Unknown("absent", ""), "iptables-legacy", "iptables-legacy-save"),
    ],
)
def test_the_program_of_the_right_kind(version: Known[str], backend: str, program: str) -> None:
    host = Programs()
    tables = (table(backend, hand=1),)
    modern, legacy = (tables, ()) if backend == "iptables-nft" else ((), tables)
    assert isinstance(read_rulesets(host, modern, legacy, version), Unknown)
    assert host.asked == [*(["nft -j list ruleset"] if modern else []), program]


def test_ipsets_are_read_where_a_rule_names_one() -> None:
    rules = "-A INPUT -m set --match-set nodes src -j ACCEPT"
    host = Programs(iptables_save=rules, ipset="create nodes hash:net")
    found = read_rulesets(host, (table("iptables-nft", hand=1),), (), NFT_IPTABLES)
    assert isinstance(found, tuple)
    assert found[1] == RulesetText("ipset", "create nodes hash:net")
    host = Programs(iptables_save=rules)
    found = read_rulesets(host, (table("iptables-nft", hand=1),), (), NFT_IPTABLES)
    assert isinstance(found, tuple)
    assert len(found) == 1


def test_half_of_the_rules_are_no_answer() -> None:
    shared = table("iptables-nft", hand=1)
    absent = Unknown("absent", "iptables-save is not installed")
    assert read_rulesets(Programs(), (shared,), (), NFT_IPTABLES) == absent
    found = read_rulesets(Programs(iptables_save="x"), (nft_table(), shared), (), NFT_IPTABLES)
    assert found == Unknown("absent", "nft is not installed")
    legacy = table("iptables-legacy", hand=1)
    found = read_rulesets(Programs(nft="{}"), (nft_table(),), (legacy,), NFT_IPTABLES)
    assert found == Unknown("absent", "iptables-legacy-save is not installed")
    denied = Unknown("denied", "may not be read")
    assert read_rulesets(Programs(), denied, (), NFT_IPTABLES) == denied
    assert read_rulesets(Programs(), (), denied, NFT_IPTABLES) == denied


def test_a_table_that_is_shared_is_read_by_both_and_nft_alone_is_enough() -> None:
    shared = (table("iptables-nft", hand=1),)
    both = (RulesetText("nft", "{}"), RulesetText("iptables-nft", "four"))
    host = Programs(nft="{}", iptables_save="four")
    assert read_rulesets(host, shared, (), NFT_IPTABLES) == both
    assert read_rulesets(Programs(iptables_save="four"), shared, (), NFT_IPTABLES) == both[1:]
    assert read_rulesets(Programs(nft="{}"), shared, (), NFT_IPTABLES) == both[:1]


def test_rules_without_end_are_not_kept() -> None:
    host = Programs(nft="x" * (LIMIT_BYTES + 1))
    found = read_rulesets(host, (nft_table(),), (), NFT_IPTABLES)
    assert isinstance(found, Unknown)
    assert "MiB" in found.message

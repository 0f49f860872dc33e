"""Tables that nft and iptables both use: what either says alone would be wrong."""

from __future__ import annotations

import subprocess
from ipaddress import ip_address, ip_interface

import pytest

from rules.netns import Scratch
from rules.packet import TCP, Packet
from rules.parse.iptables import parse_iptables_save
from rules.tracing.live import read_live
from rules.tracing.trace import Trace, trace
from tests.kernel import require_kernel
from tests.rules.tracing.oracle import isolated

NODE = ip_interface("192.0.2.11/24")


def asked(port: int) -> Packet:
    return Packet(4, TCP, ip_address("192.0.2.21"), NODE.ip, 50000, port)


def live(script: str, *ports: int) -> list[Trace]:
    """What the rules that a script makes, in a namespace, do with packets to these ports."""
    require_kernel()

    def work() -> list[Trace]:
        with Scratch():
            subprocess.run(["sh", "-ec", script], check=True, capture_output=True)
            ruleset = read_live()
        return [trace(ruleset, asked(port), local_addresses=(NODE,)) for port in ports]

    return isolated(work)


@pytest.mark.kernel
def test_a_chain_of_nft_in_a_table_of_iptables() -> None:
    found = live(
        "iptables-nft -A INPUT -p tcp --dport 80 -j ACCEPT; "
        "nft 'add chain ip filter late { type filter hook input priority 10; policy drop; }'; "
        "nft add rule ip filter late tcp dport 22 accept",
        80, 22,
    )  # fmt: skip
    assert [one.verdict for one in found] == ["drop", "accept"]
    assert found[0].decided_by is not None
    assert found[0].decided_by.chain == "late"


@pytest.mark.kernel
def test_a_rule_of_nft_in_a_chain_of_iptables() -> None:
    """iptables-save 1.8.9 prints it as -p tcp -j DROP: the ports are lost."""
    found = live(
        "iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT; "
        "nft 'add rule ip filter INPUT tcp dport { 1, 5-9 } drop'; "
        "iptables-nft -A INPUT -p tcp -m limit --limit 1/sec -m multiport --dports 70,71 -j DROP",
        6, 80, 70,
    )  # fmt: skip
    assert [one.verdict for one in found] == ["drop", "accept", "unknown"]


@pytest.mark.kernel
def test_a_rule_of_nft_on_which_iptables_save_gives_up() -> None:
    script = (
        "iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT; "
        "nft add rule ip filter INPUT meta priority set 1:1; "
        "iptables-nft -P INPUT DROP; ! iptables-nft-save"
    )
    assert [one.verdict for one in live(script, 22, 23)] == ["accept", "drop"]


@pytest.mark.kernel
def test_a_table_of_nft_with_a_name_of_iptables() -> None:
    """iptables-save prints built-in chains that are not there."""
    found = live(
        "nft 'add table ip filter; "
        "add chain ip filter input { type filter hook input priority 0; policy drop; }; "
        "add rule ip filter input tcp dport 22 accept'",
        22, 23,
    )  # fmt: skip
    assert [one.verdict for one in found] == ["accept", "drop"]
    assert found[1].decided_by is not None
    assert (found[1].decided_by.backend, found[1].decided_by.chain) == ("nft", "input")


@pytest.mark.kernel
def test_rules_of_iptables_keep_their_words() -> None:
    found = live(
        "iptables-nft -A INPUT -s 192.0.2.0/24 -p tcp --dport 22 -j ACCEPT; "
        "iptables-nft -A INPUT -p tcp -m multiport --dports 23,24 -j DROP",
        22, 23,
    )  # fmt: skip
    steps = [one.decided_by for one in found]
    assert [(step.backend, step.rule) for step in steps if step] == [
        ("iptables-nft", "-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j ACCEPT"),
        ("iptables-nft", "-A INPUT -p tcp -m multiport --dports 23,24 -j DROP"),
    ]
    assert all(step and step.handle and step.number for step in steps)


def test_without_the_list_of_nft_a_partial_table_is_unknown() -> None:
    text = (
        "# Table `filter' contains incompatible base-chains, use 'nft' tool to list them.\n"
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT\n"
    )
    ruleset = parse_iptables_save(text, "iptables-nft", 4)
    found = trace(ruleset, asked(80), local_addresses=(NODE,))
    assert found.verdict == "unknown"
    assert "iptables-save does not print" in found.unknown[0]

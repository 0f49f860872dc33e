"""What is misspelt is told with the nearest word that there is, or with none."""

from __future__ import annotations

import pytest

from rules.words import hint, nearest, wrong_choice


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("wroker", ["master", "worker"], "worker"),
        ("WORKER ", ["master", "worker"], "worker"),
        ("nft", ["nftables", "iptables"], "nftables"),
        # Two begin with it: the letters decide.
        ("ip", ["iptables", "ip6tables"], ""),
        ("foo", ["infoblox", "flannel"], ""),
        ("", ["one"], ""),
        ("x" * 100_000, ["one"], ""),
        ("kind", ["Kind"], "Kind"),
    ],
)
def test_nearest(word: str, known: list[str], near: str) -> None:
    assert nearest(word, known) == near
    assert hint(word, known) == (f"; did you mean {near}?" if near else "")


def test_a_choice_is_told_with_all_that_there_are() -> None:
    two, three = ("json", "yaml"), ("text", "json", "yaml")
    assert str(wrong_choice("-o", "jsn", two)) == (
        "-o takes json or yaml, not 'jsn'; did you mean json?"
    )
    assert str(wrong_choice("-o", "pdf", three)) == "-o takes text, json, yaml, not 'pdf'"

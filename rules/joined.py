"""Rulesets from the text of known tools. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rules.parse.ipset import IpSet, parse_ipset_save
from rules.parse.iptables import parse_iptables_save
from rules.parse.nft import parse_nft
from rules.ruleset import Ruleset
from rules.tablejoin import joined

_SAVES = {
    "iptables-nft": ("iptables-nft", 4),
    "ip6tables-nft": ("iptables-nft", 6),
    "iptables-legacy": ("iptables-legacy", 4),
    "ip6tables-legacy": ("iptables-legacy", 6),
}


def join_texts(texts: Iterable[tuple[str, str]]) -> Ruleset:
    """(tool, text) pairs -> one ruleset. The tools are nft, ipset and those of ``_SAVES``.

    Raises ConfigError, with the tool's name, for text that is not the tool's.
    """
    found = Ruleset()
    saves: list[tuple[str, str]] = []
    ipsets: dict[str, IpSet] = {}
    for tool, text in texts:
        if tool == "nft":
            found = joined(found, parse_nft(text))
        elif tool == "ipset":
            ipsets |= parse_ipset_save(text)
        else:
            saves.append((tool, text))
    for tool, text in saves:
        backend, family = _SAVES[tool]
        found = joined(found, parse_iptables_save(text, backend, family, ipsets, source=tool))
    return found

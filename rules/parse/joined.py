"""Rulesets from the text of known tools. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from rules.parse.ipset import IpSet, parse_ipset_save
from rules.parse.iptables import parse_iptables_save
from rules.parse.nft import parse_nft
from rules.parse.tablejoin import joined
from rules.ruleset import Ruleset

# Tool -> its backend and family. The others are nft and ipset.
_SAVES = {
    "iptables-nft": ("iptables-nft", 4),
    "ip6tables-nft": ("iptables-nft", 6),
    "iptables-legacy": ("iptables-legacy", 4),
    "ip6tables-legacy": ("iptables-legacy", 6),
}


def join_texts(texts: Iterable[tuple[str, str, str]]) -> Ruleset:
    """(tool, source, text) of each -> one ruleset. The tools are nft, ipset and those of
    ``_SAVES``; iptables' tables are read last, with all the ipsets.

    Raises ConfigError, with the source's name, for text that is not the tool's.
    """
    found = Ruleset()
    saves: list[tuple[str, str, str]] = []
    ipsets: dict[str, IpSet] = {}
    for tool, source, text in texts:
        if tool == "nft":
            found = joined(found, parse_nft(text, source=source))
        elif tool == "ipset":
            ipsets |= parse_ipset_save(text, source=source)
        else:
            saves.append((tool, source, text))
    for tool, source, text in saves:
        backend, family = _SAVES[tool]
        found = joined(found, parse_iptables_save(text, backend, family, ipsets, source=source))
    return found

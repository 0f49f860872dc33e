"""Lines for iptables-restore as people write them -> as iptables-save prints them. Pure.

A protocol's options without their ``-m``, options in any order, matches behind the target, and the
names of ICMP types (all as in ufw's own files, which ip(6)tables-restore takes).
"""

from __future__ import annotations

import shlex

from rules.parse import names

_PLAIN = {
    "-s": "-s",
    "--source": "-s",
    "--src": "-s",
    "-d": "-d",
    "--destination": "-d",
    "--dst": "-d",
    "-i": "-i",
    "--in-interface": "-i",
    "-o": "-o",
    "--out-interface": "-o",
    "-p": "-p",
    "--protocol": "-p",
    "--proto": "-p",
}
# Options that bring their protocol's extension with them.
_IMPLIED = frozenset(
    {
        *("--dport", "--destination-port", "--sport", "--source-port", "--tcp-flags", "--syn"),
        *("--tcp-option", "--icmp-type", "--icmpv6-type"),
    }
)
_EXTENSIONS = {"ipv6-icmp": "icmp6", "icmpv6": "icmp6", "58": "icmp6", "1": "icmp"}
# Where ip6tables' names are not nft's.
_ICMPV6_TYPES = {
    **names.ICMPV6_TYPES,
    "router-solicitation": 133,
    "router-advertisement": 134,
    "neighbor-solicitation": 135,
    "neighbour-solicitation": 135,
    "neighbor-advertisement": 136,
    "neighbour-advertisement": 136,
    "redirect": 137,
}


def canonical(line: str, family: int) -> str:
    """``-A CHAIN ...`` (or ``-I``) in iptables-save's order. Raises ValueError for broken quotes.

    What it does not know stays as it is, for the reader of iptables-save to call unknown.
    """
    words = shlex.split(line, comments=False)
    parts = _Parts(family)
    parts.take(words[2:])
    return " ".join([words[0], _quoted(words[1]), *parts.words()])


class _Parts:
    """The words of a rule, sorted by what they belong to."""

    def __init__(self, family: int) -> None:
        self._family = family
        self._plain: list[str] = []
        self._implied: list[str] = []
        self._matches: list[list[str]] = []
        self._target: list[str] = []
        self._protocol = ""
        # A protocol's own -m, wherever it stood: where its options belong.
        self._own: list[str] | None = None

    def take(self, words: list[str]) -> None:
        """Reads all the words of one rule. Raises ValueError for a rule that is cut off."""
        current: list[str] | None = None
        place = 0
        while place < len(words):
            negation = ["!"] if words[place] == "!" else []
            place += len(negation)
            if place >= len(words):
                raise ValueError("ends with !")
            word = words[place]
            end = place + 1
            while end < len(words) and not _is_option(words[end]):
                end += 1
            values = words[place + 1 : end]
            place = end
            if word in ("-m", "--match"):
                current = self._match(values)
            elif word in ("-j", "--jump", "-g", "--goto"):
                self._target = current = [word, *values]
            elif word in _PLAIN and (current is None or current is not self._target):
                self._plain += [*negation, _PLAIN[word], *values]
                if word in ("-p", "--protocol", "--proto") and values:
                    self._protocol = values[0]
            elif word in _IMPLIED and (current is None or current[1] in ("comment", "conntrack")):
                self._implied += [*negation, word, *self._numbered(word, values)]
            elif current is None:
                self._plain += [*negation, word, *values]
            else:
                current += [*negation, word, *self._numbered(word, values)]

    def _match(self, values: list[str]) -> list[str]:
        made = ["-m", *values]
        self._matches.append(made)
        if values and values[0] == self._extension:
            self._own = made
        return made

    @property
    def _extension(self) -> str:
        return _EXTENSIONS.get(self._protocol, self._protocol)

    def _numbered(self, option: str, values: list[str]) -> list[str]:
        if option not in ("--icmp-type", "--icmpv6-type") or not values:
            return values
        known = names.ICMP_TYPES if self._family == 4 else _ICMPV6_TYPES
        return [str(known.get(values[0], values[0])), *values[1:]]

    def words(self) -> list[str]:
        """In iptables-save's order, quoted."""
        matches = self._matches
        if self._implied and self._own is not None:
            self._own += self._implied
        elif self._implied:
            matches = [["-m", self._extension, *self._implied], *matches]
        found = [*self._plain, *(word for match in matches for word in match), *self._target]
        return [word if word == "!" else _quoted(word) for word in found]


def _is_option(word: str) -> bool:
    return word == "!" or (len(word) > 1 and word[0] == "-" and not word[1].isdigit())


def _quoted(word: str) -> str:
    if word and not set(word) & set(" \t\"'\\"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

"""`iptables-save` and `ip6tables-save`, legacy and nft -> Ruleset. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rules.errors import ConfigError
from rules.parse.ipset import IpSet
from rules.parse.iptablesmatches import Context, matches_of
from rules.parse.iptablestargets import statement_of
from rules.parse.iptableswords import Line, split_line
from rules.parse.tablejoin import unprinted
from rules.ruleset import Action, Base, Chain, Part, Rule, Ruleset, Table

# Where the kernel hangs the built-in chains (include/uapi/linux/netfilter_ipv4.h).
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_NAT_SOURCE = 100
_HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_CHAIN = re.compile(r":(\S+) (\S+)(?: \[\d+:\d+\])?$")
# What iptables-nft-save says of a table that is not iptables' alone (nft.c, nft-shared.c).
_PARTIAL = re.compile(r"# Table `(\S+)' (?:contains incompatible|is incompatible)")
_COUNTERS = re.compile(r"^\[\d+:\d+\] ")


def parse_iptables_save(
    text: str,
    backend: str,
    family: int,
    ipsets: Mapping[str, IpSet] | None = None,
    *,
    source: str = "",
) -> Ruleset:
    """The tables of one save. ``backend`` is ``iptables-nft`` or ``iptables-legacy``; ``family``
    4 or 6; ``ipsets`` what `ipset save` said, for ``-m set``.

    Raises ConfigError, with the line, for text that is not iptables-save's.
    """
    source = source or ("iptables-save" if family == 4 else "ip6tables-save")
    context = Context(family, ipsets or {})
    tables: list[Table] = []
    table: _Table | None = None
    partial: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            if found := _PARTIAL.match(line):
                partial.add(found[1])
            continue
        try:
            if line.startswith("*"):
                table = _Table(line[1:], backend, context, is_partial=line[1:] in partial)
            elif table is None:
                raise ValueError("stands before the first *table line")
            elif line == "COMMIT":
                tables.append(table.made())
                table = None
            else:
                table.take(line)
        except (ValueError, IndexError) as error:
            raise ConfigError(
                source, f"is no line of iptables-save: {error}", line=number
            ) from None
    if table is not None:
        raise ConfigError(source, f"table {table.name} has no COMMIT; the file is cut off")
    return Ruleset(tuple(tables))


class _Table:
    """A table while its lines come in."""

    def __init__(self, name: str, backend: str, context: Context, *, is_partial: bool) -> None:
        if name not in _PRIORITIES:
            raise ValueError(f"no table is called {name[:40]!r}")
        self.name, self.backend, self.context = name, backend, context
        self.is_partial = is_partial
        self.policies: dict[str, str] = {}
        self.lines: dict[str, list[tuple[str, Line]]] = {}

    def take(self, line: str) -> None:
        """A ``:CHAIN POLICY`` or an ``-A CHAIN`` line. Raises ValueError for any other."""
        if line[0] == ":" and (found := _CHAIN.match(line)):
            self.policies[found[1]] = found[2]
            return
        if line[0] == "[":
            line = _COUNTERS.sub("", line, count=1)
        if not line.startswith(("-A ", "--append ")):
            raise ValueError(line[:60])
        made = split_line(line)
        if made.chain not in self.policies:
            raise ValueError(f"chain {made.chain} is not declared")
        self.lines.setdefault(made.chain, []).append((line, made))

    def made(self) -> Table:
        family = "ip" if self.context.family == 4 else "ip6"
        chains = {
            name: Chain(name, self._rules(name), self._base(name, policy))
            for name, policy in self.policies.items()
        }
        if self.is_partial:
            chains |= {chain.name: chain for chain in unprinted(family, self.name)}
        return Table(backend=self.backend, family=family, name=self.name, chains=chains)

    def _rules(self, name: str) -> tuple[Rule, ...]:
        return tuple(
            self._rule(text, line, number)
            for number, (text, line) in enumerate(self.lines.get(name, ()), start=1)
        )

    def _rule(self, text: str, line: Line, number: int) -> Rule:
        parts: list[Part] = []
        comment = ""
        for segment in line.segments:
            parts += matches_of(segment, self.context)
            if segment[0] == "comment":
                comment = segment[1][-1]
        if (statement := statement_of(line, self.policies)) is not None:
            parts.append(statement)
        return Rule(tuple(parts), text, comment, None, number)

    def _base(self, name: str, policy: str) -> Base | None:
        if name not in _HOOKS or policy == "-":
            return None
        nat = self.name == "nat"
        priority = _PRIORITIES[self.name]
        if nat and name in ("INPUT", "POSTROUTING"):
            priority = _NAT_SOURCE
        chosen = Action.DROP if policy == "DROP" else Action.ACCEPT
        return Base(name.lower(), priority, "nat" if nat else "filter", chosen)

"""What nft and iptables-save say of the same tables, put together. Pure.

nft lists every chain and rule of the kernel, but not what an extension of xtables (``xt``) does.
iptables-save reads those; of a table with chains or rules that are not iptables' own it leaves out
the chains, names built-in ones that are not there, and prints the rules without what it cannot say
(seen with 1.8.9). So chains, hooks, policies and plain rules are taken from nft, and rules with
an extension from iptables-save.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.ruleset import (
    Action,
    Base,
    Chain,
    Note,
    Part,
    Rule,
    Ruleset,
    Table,
    Test,
    Unsupported,
    UnsupportedStatement,
    Verdict,
)

# How nft names an expression that only xtables can read.
_EXTENSION = "xt "
_DROP = Verdict(Action.DROP)
_PROTOCOL_KEYS = frozenset({"meta l4proto", "ip protocol", "ip6 nexthdr"})


def joined(first: Ruleset, *others: Ruleset) -> Ruleset:
    """All tables together. One that nft and iptables-nft both print counts once; otherwise the
    later one counts."""
    found = {_place(table): table for table in first.tables}
    for other in others:
        for table in other.tables:
            known = found.pop(_place(table), None)
            found[_place(table)] = table if known is None else _table(known, table)
    return Ruleset(tuple(found.values()))


def _place(table: Table) -> tuple[str, str, str]:
    kernel = "legacy" if table.backend == "iptables-legacy" else "nft"
    return kernel, table.family, table.name


def _table(one: Table, other: Table) -> Table:
    by_backend = {one.backend: one, other.backend: other}
    if by_backend.keys() != {"nft", "iptables-nft"}:
        return other
    nft, saved = by_backend["nft"], by_backend["iptables-nft"]
    if not nft.chains.keys() & saved.chains.keys():
        return nft
    chains = {name: _chain(chain, saved.chains.get(name)) for name, chain in nft.chains.items()}
    return Table(**{**vars(nft), "backend": saved.backend, "chains": chains})


def _chain(nft: Chain, saved: Chain | None) -> Chain:
    if saved is None or len(saved.rules) != len(nft.rules):
        return nft
    rules = tuple(_rule(*pair) for pair in zip(nft.rules, saved.rules, strict=True))
    return Chain(**{**vars(nft), "rules": rules})


def _rule(nft: Rule, saved: Rule) -> Rule:
    """The one that says all; where both do, iptables-save's words."""
    if any(_is_extension(part) for part in nft.parts) or _same(nft, saved):
        return Rule(**{**vars(saved), "handle": nft.handle})
    return nft


def _is_extension(part: Part) -> bool:
    return isinstance(part, (Unsupported, UnsupportedStatement)) and part.text.startswith(
        _EXTENSION
    )


def _same(nft: Rule, saved: Rule) -> bool:
    """Whether both ask and do the same, but for the protocol that a port implies."""
    one, other = _essence(nft), _essence(saved)
    return len(one) == len(other) and all(part in other for part in one)


def _essence(rule: Rule) -> list[Part]:
    return [
        part
        for part in rule.parts
        if not isinstance(part, Note)
        and not (isinstance(part, Test) and part.key.name in _PROTOCOL_KEYS and not part.negated)
    ]


def unprinted(family: str, table: str) -> Iterator[Chain]:
    """Stand-ins for chains that iptables-save says it does not print: nobody can tell what they
    do. Where nft's list is there too, it has the chains themselves."""
    text = f"chains of table {family} {table} that iptables-save does not print"
    rule = Rule((Unsupported(text), _DROP), text)
    for hook in ("prerouting", "input", "forward", "output", "postrouting"):
        yield Chain(f"({hook}: not printed)", (rule,), Base(hook, 0))

"""Our table's text, taken apart, and the steps from one table to another. Pure text.

A set that a transaction makes is not there for packets until the whole transaction is done: from
the moment in which the new rules hold, for up to some milliseconds, lookups in it find nothing
(seen on Linux 6.18 with interval sets, whose searchable form is published last). Rules and the
new sets that they name in one transaction so drop packets of allowed flows. Hence two: first the
sets, which nothing uses yet; then the rules, which are what decides, with the old sets' removal.
Names made of their content keep both apart.
"""

from __future__ import annotations

import re

from rules.record import record

TABLE = "inet nodeprep"
# `destroy` needs nft 1.0.7 and kernel 6.3: adding first makes the deletion always possible.
CLEAR = f"add table {TABLE}\ndelete table {TABLE}\n"
_HEAD = f"table {TABLE} {{"
_BLOCK = re.compile(r"\t(set|chain) ([A-Za-z0-9_/.-]+) \{")
_WORD = re.compile(r"[^\s,;{}]+")


@record
class Table:
    """Name -> its block of text, from ``set NAME {`` to ``}``, each line with its end."""

    sets: dict[str, str]
    chains: dict[str, str]


def parse_table(text: str) -> Table | None:
    """Our table as rendered or as nft lists it; None for text with anything else in it."""
    lines = iter(text[text.find(_HEAD) :].splitlines(keepends=True))
    if next(lines, "").rstrip("\n") != _HEAD:
        return None
    found = Table({}, {})
    for line in lines:
        if line == "}\n":
            return found
        if line == "\n":
            continue
        match = _BLOCK.match(line)
        if match is None:
            return None
        body = [line]
        for inner in lines:
            body.append(inner)
            if inner == "\t}\n":
                break
        blocks = found.sets if match[1] == "set" else found.chains
        blocks[match[2]] = "".join(body)
    return None


def written(sets: dict[str, str], chains: dict[str, str]) -> str:
    """The text of a table."""
    return _HEAD + "\n" + "\n".join([*sets.values(), *chains.values()]) + "}\n"


def normal(text: str) -> str:
    """The text with its blocks sorted: their order says when they were made, and nothing else."""
    table = parse_table(text)
    if table is None:
        return text
    return written(dict(sorted(table.sets.items())), dict(sorted(table.chains.items())))


def steps(live: str, wanted: str) -> tuple[str, ...]:
    """The transactions that put ``wanted`` in the place of ``live``; empty texts are no table.

    Two at most; one where there is nothing to gain, or where somebody changed one of our sets or
    a chain's hook: then the whole table is replaced at once.
    """
    whole = (CLEAR + wanted[max(0, wanted.find(_HEAD)) :],)
    if not wanted:
        return (CLEAR,)
    new = parse_table(wanted)
    old = parse_table(live) if live else Table({}, {})
    if new is None or old is None:
        return whole
    kept = old.sets.keys() & new.sets.keys()
    if any(_words(old.sets[name]) != _words(new.sets[name]) for name in kept):
        return whole
    chains = old.chains.keys() & new.chains.keys()
    if any(_hook(old.chains[name]) != _hook(new.chains[name]) for name in chains):
        return whole
    missing = {name: block for name, block in new.sets.items() if name not in old.sets}
    rules = [f"flush chain {TABLE} {name}" for name in old.chains]
    rules += [f"delete chain {TABLE} {name}" for name in old.chains if name not in new.chains]
    stale = [f"delete set {TABLE} {name}" for name in old.sets if name not in new.sets]
    switch = "".join(f"{line}\n" for line in rules) + written({}, new.chains)
    switch += "".join(f"{line}\n" for line in stale)
    return (written(missing, {}), switch) if missing else (switch,)


def _words(block: str) -> list[str]:
    return sorted(_WORD.findall(block))


def _hook(block: str) -> str:
    """What a base chain hangs on; empty for another chain."""
    found = re.search(r"^\t\ttype .*$", block, re.MULTILINE)
    return found[0] if found else ""

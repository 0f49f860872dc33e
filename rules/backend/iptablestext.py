"""What iptables-save and ipset print, and what their restore programs take. Pure text."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from rules.backend import Own
from rules.record import record

CHAIN_PREFIX = "NODEPREP-"
SET_PREFIX = "nodeprep-"
# The chain of the kernel's -> ours, to which it jumps.
JUMPS = {"INPUT": "NODEPREP-INPUT", "FORWARD": "NODEPREP-FORWARD"}
# A rule with one of these may decide before ours is asked; other targets come back.
_DECISIVE = frozenset({"ACCEPT", "DROP", "REJECT", "RETURN", "QUEUE", "NFQUEUE"})
# What ipset prints of a set and does not take back, or makes anew each time.
_SET_NOISE = ("initval", "bucketsize")

# The end of the name of a set that is filled beside the one in use.
_BESIDE = "-t"


@record
class Reference:
    """A rule outside our chains that leads into one: its chain, its place in it, its words."""

    chain: str
    number: int
    words: str
    behind_decisive: bool

    @property
    def in_place(self) -> bool:
        """The plain jump, and nothing before it that would decide instead.

        kube-proxy and Calico put their own jumps on top again and again: that is no reason to
        fight them.
        """
        wanted = f"-j {JUMPS.get(self.chain)}"
        return self.words == wanted and not self.behind_decisive


@record
class Filter:
    """What is ours in one filter table: chain -> its rules (``-A ...``), and who leads there."""

    chains: dict[str, tuple[str, ...]]
    references: tuple[Reference, ...]


def parse_filter(text: str) -> Filter:
    """Our part of what iptables-save prints of the table ``filter``."""
    chains: dict[str, list[str]] = {}
    references: list[Reference] = []
    numbers: dict[str, int] = {}
    decisive: set[str] = set()
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        if table != "filter":
            continue
        if line.startswith(f":{CHAIN_PREFIX}"):
            chains.setdefault(line[1:].split()[0], [])
        if not line.startswith("-A "):
            continue
        _, chain, words = (*line.split(" ", 2), "")[:3]
        target = _target(words)
        if chain.startswith(CHAIN_PREFIX):
            chains.setdefault(chain, []).append(line)
            continue
        numbers[chain] = numbers.get(chain, 0) + 1
        if target.startswith(CHAIN_PREFIX):
            references.append(Reference(chain, numbers[chain], words, chain in decisive))
        elif target in _DECISIVE:
            decisive.add(chain)
    return Filter({name: tuple(rules) for name, rules in chains.items()}, tuple(references))


def _target(words: str) -> str:
    """The word behind -j or -g; what stands in quotes is none."""
    tail = words.rpartition('"')[2]
    parts = tail.split(" ") if '"' not in words or " -j " in tail else shlex.split(words)
    for option in ("-j", "-g"):
        if option in parts[:-1]:
            return parts[parts.index(option) + 1]
    return ""


def own_of(found: Filter, word: str) -> Own:
    """The table's own objects; ``word`` is nft's for the family: ``ip`` or ``ip6``."""
    own = {
        f"{word} filter {chain}": "".join(f"{line}\n" for line in rules)
        for chain, rules in sorted(found.chains.items())
    }
    for chain in dict.fromkeys(reference.chain for reference in found.references):
        here = [reference for reference in found.references if reference.chain == chain]
        if len(here) == 1 and here[0].in_place:
            own[f"{word} filter jump {chain}"] = f"-I {chain} 1 {here[0].words}\n"
        else:
            own[f"{word} filter jump {chain}"] = "".join(
                f"-I {chain} {reference.number} {reference.words}\n" for reference in here
            )
    return own


def chains_of(own: Own, word: str) -> dict[str, str]:
    """Chain -> its rules, of the own objects of a family."""
    prefix = f"{word} filter {CHAIN_PREFIX}"
    return {
        name.removeprefix(f"{word} filter "): text
        for name, text in own.items()
        if name.startswith(prefix)
    }


def jump_lines(found: Filter, own: Own, word: str) -> list[str]:
    """The lines that turn the references that there are into those of ``own``.

    Deletions name the rule by its words, never by its number: where somebody else has changed the
    chain since it was read, they fail instead of taking a foreign rule.
    """
    live = own_of(found, word)
    lines: list[str] = []
    prefix = f"{word} filter jump "
    names = dict.fromkeys(name for name in (*live, *own) if name.startswith(prefix))
    for name in names:
        if live.get(name) == own.get(name):
            continue
        chain = name.removeprefix(prefix)
        lines += [f"-D {chain} {one.words}" for one in found.references if one.chain == chain]
        lines += own.get(name, "").splitlines()
    return lines


def wanted_jumps(chains: Iterable[str], word: str) -> Own:
    """The jumps that lead into these chains."""
    return {
        f"{word} filter jump {chain}": f"-I {chain} 1 -j {target}\n"
        for chain, target in JUMPS.items()
        if target in chains
    }


def with_jumps(text: str, found: Filter, word: str) -> str:
    """A rendered file with the jumps that are missing, and without chains that it has no more."""
    named = [line[1:].split()[0] for line in text.splitlines() if line.startswith(":")]
    stale = [chain for chain in found.chains if chain not in named]
    jumps = jump_lines(found, wanted_jumps(named, word), word)
    head, _, tail = text.rpartition("COMMIT")
    extra = [
        *(f":{chain} - [0:0]" for chain in stale),
        *jumps,
        *(f"-X {chain}" for chain in stale),
    ]
    return head + "".join(f"{line}\n" for line in extra) + "COMMIT" + tail


def restore_text(found: Filter, own: Own, word: str) -> str:
    """The file that makes our part of the table be ``own``; empty where it is already."""
    wanted = chains_of(own, word)
    stale = [chain for chain in found.chains if chain not in wanted]
    if own_of(found, word) == {
        name: text for name, text in own.items() if name.startswith(f"{word} filter ")
    }:
        return ""
    lines = ["*filter"]
    lines += [f":{chain} - [0:0]" for chain in (*wanted, *stale)]
    lines += [line for rules in wanted.values() for line in rules.splitlines()]
    lines += jump_lines(found, own, word)
    lines += [f"-X {chain}" for chain in stale]
    return "".join(f"{line}\n" for line in (*lines, "COMMIT"))


def parse_sets(text: str) -> Own:
    """Our sets in what ``ipset save`` prints, without what differs from one save to the next."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) > 2 and words[1].startswith(SET_PREFIX):
            if words[0] == "create":
                found[words[1]] = [" ".join(_without_noise(words))]
            elif words[0] == "add" and words[1] in found:
                found[words[1]].append(line)
    return {
        f"ipset {name}": "".join(f"{line}\n" for line in (lines[0], *sorted(lines[1:])))
        for name, lines in sorted(found.items())
    }


def rendered_sets(text: str) -> Own:
    """The sets of a file for `ipset restore`: each line with the set that it is about."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) > 1 and words[0] in ("create", "add"):
            found.setdefault(words[1].removesuffix(_BESIDE), []).append(line)
    return {f"ipset {name}": "".join(f"{x}\n" for x in lines) for name, lines in found.items()}


def _without_noise(words: list[str]) -> Iterator[str]:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _SET_NOISE:
            skip = True
        else:
            yield word


def sets_text(own: Own, live: Own) -> str:
    """What `ipset restore` takes to make our sets be those of ``own``; none is removed.

    A set that rules use is filled beside it and swapped in.
    """
    lines: list[str] = []
    for name, text in own.items():
        if not name.startswith("ipset ") or live.get(name) == text:
            continue
        set_name = name.removeprefix("ipset ")
        create, *adds = text.splitlines()
        beside = f"{set_name}{_BESIDE}"
        words = create.split(" ")
        lines += [f"{create} -exist", " ".join([words[0], beside, *words[2:], "-exist"])]
        lines.append(f"flush {beside}")
        lines += [" ".join(["add", beside, *add.split(" ")[2:]]) for add in adds]
        lines += [f"swap {beside} {set_name}", f"destroy {beside}"]
    return "".join(f"{line}\n" for line in lines)

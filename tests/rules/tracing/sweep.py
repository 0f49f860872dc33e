"""Traces against the kernel in quantity: counts what agrees, what is unknown, what does not agree.

``python -m tests.rules.tracing.sweep [PAIRS]`` prints the counts and ends with 1 where the trace
and the kernel disagree. ``make trace-sweep`` runs it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from rules.packet import Packet
from rules.ruleset import Ruleset
from rules.tracing.trace import Trace, Tracer
from tests.rules.tracing.oracle import LOCAL, Oracle, Saved, Unprintable, isolated
from tests.rules.tracing.packets import random_packet, way_out
from tests.rules.tracing.randomiptables import random_iptables, random_mixed
from tests.rules.tracing.randomnft import random_nft
from tests.rules.tracing.realistic import realistic

PACKETS_PER_RULESET = 60
DEFAULT_PAIRS = 24_000


@dataclass
class Count:
    """What came of one kind of rulesets."""

    rulesets: int = 0
    pairs: int = 0
    unknown: int = 0
    admitted: int = 0
    disagreements: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        share = 100 * self.unknown / max(1, self.pairs)
        return (
            f"{self.rulesets} rulesets, {self.pairs} pairs: {self.admitted} let through, "
            f"{self.unknown} unknown ({share:.1f} %), {len(self.disagreements)} disagreements"
        )


def compare(saved: Iterable[Saved], packets: int, seed: int = 0) -> Count:
    """Loads each ruleset, sends packets, and holds the trace against what came through."""

    def work() -> Count:
        oracle, count = Oracle(), Count()
        for number, one in enumerate(saved):
            try:
                ruleset = oracle.load(one)
            except Unprintable:
                continue
            random = Random(seed + number)  # noqa: S311  (for tests)
            sent = [random_packet(random) for _ in range(packets)]
            count.rulesets += 1
            _judge(count, one, ruleset, sent, oracle.survivors(sent))
        return count

    return isolated(work)


def _judge(
    count: Count, saved: Saved, ruleset: Ruleset, sent: list[Packet], seen: list[str]
) -> None:
    tracer = Tracer(ruleset)
    for packet, where in zip(sent, seen, strict=True):
        found = traced(tracer, packet)
        if not _routable(packet, found):
            continue
        count.pairs += 1
        count.admitted += bool(where)
        if found.admitted is None:
            count.unknown += 1
        elif found.admitted != bool(where) or (where and found.hook and found.hook != where):
            steps = "\n    ".join(f"{step.table} {step.chain}: {step.rule}" for step in found.path)
            count.disagreements.append(
                f"{saved.name}: {packet}\n  kernel: {where or 'dropped'}, trace: {found.verdict} "
                f"{found.hook}\n    {steps}"
            )


def traced(tracer: Tracer, packet: Packet) -> Trace:
    """The trace with what is known of the oracle's node."""
    reverse = None
    if not packet.source.is_link_local:
        reverse = way_out(packet.source) == packet.interface_in
    return tracer.trace(packet, local_addresses=LOCAL, routes=way_out, reverse_path=reverse)


def _routable(packet: Packet, found: Trace) -> bool:
    """Whether routing itself lets it pass: it drops some packets, and no filter is asked.

    Broadcasts and multicasts that DNAT sends elsewhere, and link-local sources beyond the link.
    """
    group = packet.destination.is_multicast or str(packet.destination).endswith(".255")
    if group and (found.hook != "input" or found.destination != packet.destination):
        return False
    return not packet.source.is_link_local or found.hook == "input"


def main(arguments: list[str]) -> int:
    """A quarter each: realistic, random nft, random iptables, both in one table."""
    pairs = int(arguments[0]) if arguments else DEFAULT_PAIRS
    rulesets = realistic()
    quarter = pairs // 4
    seeds = range(quarter // PACKETS_PER_RULESET + 1)
    rounds = {
        "realistic": (rulesets, quarter // len(rulesets) + 20),
        "random nft": ((random_nft(seed) for seed in seeds), PACKETS_PER_RULESET + 2),
        "random iptables": ((random_iptables(seed) for seed in seeds), PACKETS_PER_RULESET + 2),
        "random mixed": ((random_mixed(seed) for seed in seeds), PACKETS_PER_RULESET + 2),
    }
    wrong: list[str] = []
    total = 0
    for name, (saved, packets) in rounds.items():
        started = time.monotonic()
        count = compare(saved, packets)
        total += count.pairs
        wrong += count.disagreements
        print(f"{name}: {count} in {time.monotonic() - started:.1f} s", flush=True)
    print(f"{total} pairs in all, {len(wrong)} disagreements")
    for text in wrong[:10]:
        print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

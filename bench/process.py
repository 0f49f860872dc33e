"""Whole processes, timed from outside: wall seconds and peak memory of each run."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Runs of one command. Seconds and MiB; ``code`` is the last exit code."""

    argv: tuple[str, ...]
    wall_s: tuple[float, ...]
    peak_mib: tuple[float, ...]
    code: int

    @property
    def median_s(self) -> float:
        return statistics.median(self.wall_s)

    @property
    def spread_s(self) -> tuple[float, float]:
        return min(self.wall_s), max(self.wall_s)

    @property
    def median_mib(self) -> float:
        return statistics.median(self.peak_mib)


def once(argv: Sequence[str]) -> tuple[float, float, int]:
    """One run: wall seconds, peak resident MiB, exit code. Its output is thrown away."""
    started = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return wall, usage.ru_maxrss / 1024, process.returncode


def side_by_side(commands: Sequence[Sequence[str]], runs: int) -> list[Sample]:
    """Every command ``runs`` times, in turn (A B C A B C ...), after one run that does not count.

    In turn, because a shared machine's speed drifts: each command meets the same weather.
    """
    for argv in commands:
        once(argv)
    results: list[list[tuple[float, float, int]]] = [[] for _ in commands]
    for _ in range(runs):
        for index, argv in enumerate(commands):
            results[index].append(once(argv))
    return [
        Sample(
            tuple(argv),
            tuple(wall for wall, _, _ in rows),
            tuple(mib for _, mib, _ in rows),
            rows[-1][2],
        )
        for argv, rows in zip(commands, results, strict=True)
    ]

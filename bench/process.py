"""Whole processes, timed from outside: wall seconds and peak memory of each run."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Runs of one command. Seconds and MiB; ``code`` is the last exit code. ``cpu_s``: user and
    system time, which others on the machine change less.
    """

    argv: tuple[str, ...]
    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]
    peak_mib: tuple[float, ...]
    code: int

    @property
    def median_s(self) -> float:
        return statistics.median(self.wall_s)

    @property
    def median_cpu_s(self) -> float:
        return statistics.median(self.cpu_s)

    @property
    def spread_s(self) -> tuple[float, float]:
        return min(self.wall_s), max(self.wall_s)

    @property
    def median_mib(self) -> float:
        return statistics.median(self.peak_mib)


def once(argv: Sequence[str]) -> tuple[float, float, float, int]:
    """One run: wall and CPU seconds, peak resident MiB, exit code. Its output is thrown away."""
    started = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return wall, cpu, usage.ru_maxrss / 1024, process.returncode


def side_by_side(
    commands: Sequence[Sequence[str]],
    runs: int,
    before: Sequence[Callable[[], None]] = (),
) -> list[Sample]:
    """Every command ``runs`` times, in turn (A B C A B C ...), after one run that does not count.

    In turn, because a shared machine's speed drifts: each command meets the same weather.
    ``before``: what is done before each run of each command, and not timed.
    """
    results: list[list[tuple[float, float, float, int]]] = [[] for _ in commands]
    for turn in range(runs + 1):
        for index, argv in enumerate(commands):
            if before:
                before[index]()
            measured = once(argv)
            if turn:
                results[index].append(measured)
    return [
        Sample(
            tuple(argv),
            tuple(wall for wall, _, _, _ in rows),
            tuple(cpu for _, cpu, _, _ in rows),
            tuple(mib for _, _, mib, _ in rows),
            rows[-1][3],
        )
        for argv, rows in zip(commands, results, strict=True)
    ]


def table(names: list[str], samples: list[Sample], *, cpu: bool = False) -> str:
    """``cpu``: with a column of CPU seconds."""
    lines = [
        f"| command | median s | min-max s |{' CPU s |' if cpu else ''} peak MiB | exit |",
        f"| --- | --- | --- |{' --- |' if cpu else ''} --- | --- |",
    ]
    for name, sample in zip(names, samples, strict=True):
        low, high = sample.spread_s
        more = f" {sample.median_cpu_s:.3f} |" if cpu else ""
        lines.append(
            f"| `{name}` | {sample.median_s:.3f} | {low:.3f}-{high:.3f} "
            f"|{more} {sample.median_mib:.0f} | {sample.code} |"
        )
    return "\n".join(lines)

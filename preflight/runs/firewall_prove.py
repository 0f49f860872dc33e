"""One run of `nodeprep firewall prove`: policy, proof in the kernel, report."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from preflight.output import check_format
from preflight.runs.stopwatch import Stopwatch
from rules.errors import EXIT_DONE, EXIT_FAILED
from rules.words import wrong_choice

if TYPE_CHECKING:
    from preflight.firewall.policy import PolicyRequest


class _Progress:
    """A line on stderr that is written over, on a terminal only and no more often than is seen."""

    INTERVAL_S = 0.1

    def __init__(self) -> None:
        self._shown = 0.0
        self._terminal = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Replaces the line."""
        now = time.monotonic()
        if self._terminal and now - self._shown >= self.INTERVAL_S:
            self._shown = now
            sys.stderr.write(f"\r{text}\x1b[K")
            sys.stderr.flush()

    def end(self) -> None:
        """Takes the line away."""
        if self._terminal and self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def run_prove(request: PolicyRequest, *, backend: str, posture: str, output: str) -> int:
    """Proves one policy with one backend and prints the outcome; the exit code."""
    from preflight import __version__
    from preflight.firewall.policy import load_policy
    from preflight.report import document
    from preflight.report import proof as report
    from rules.proof.prove import BACKENDS, prove, render_texts
    from rules.render import Posture

    check_format(output)
    if backend not in BACKENDS:
        raise wrong_choice("--backend", backend, BACKENDS)
    known = {item.value: item for item in Posture}
    if posture not in known:
        raise wrong_choice("--posture", posture, ("allow", "enforce"))
    policy, _ = load_policy(request)
    progress = _Progress()
    try:
        found = prove(
            policy,
            backend,
            known[posture],
            texts=render_texts(policy, backend, known[posture], version=__version__),
            told=lambda done, whole: progress.show(f"{done:,} of {whole:,} probes sent"),
        )
    finally:
        progress.end()
    if output == "text":
        sys.stdout.write(report.text(found))
    else:
        sys.stdout.write(document.render(report.document(found), output))
    return EXIT_DONE if found.exact else EXIT_FAILED


def run_prove_all(*, output: str) -> int:
    """Proves everything and prints a table; the exit code."""
    from preflight.report import document
    from preflight.report import proof as report
    from rules.proof.prove import Proof
    from rules.proof.sweep import every_case, sweep

    check_format(output)
    watch = Stopwatch()
    cases = every_case()
    found: dict[int, Proof] = {}
    progress = _Progress()

    def heard(index: int, proof: Proof) -> None:
        found[index] = proof
        progress.show(f"{len(found)} of {len(cases)} rulesets proven")

    try:
        sweep(cases, heard)
    finally:
        progress.end()
    proven = [(cases[index], found[index]) for index in sorted(found)]
    duration_ms = watch.ms
    if output == "text":
        sys.stdout.write(report.sweep_text(proven, duration_ms))
    else:
        sys.stdout.write(document.render(report.sweep_document(proven, duration_ms), output))
    return EXIT_DONE if all(proof.exact for proof in found.values()) else EXIT_FAILED

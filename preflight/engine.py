"""Runs checks over facts: each on its own, within its time, a crash being one unknown finding."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from preflight.checks.registry import Check, Judgement, undetermined
from preflight.facts.model import Facts, Undetermined
from preflight.finding import Finding, Severity, Status
from preflight.target import Target
from rules.errors import UsageError
from rules.record import record

if TYPE_CHECKING:
    from preflight.fleet.card import Deck

# Checks are pure and take well under a millisecond; one that needs two seconds will not end.
CHECK_TIME_LIMIT_S = 2.0
# A comparison of 10,000 cards takes a tenth of a second.
COMPARISON_TIME_LIMIT_S = 30.0
# Words that kubeadm's ignorePreflightErrors may hold and that name no check here: kubeadm pulls
# images and compares its own version, which nodeprep leaves to it.
NOT_OURS = frozenset({"all", "imagepull", "kubernetesversion", "containerruntimeversion"})
_REASONS = {
    "absent": "what it is read from is not there",
    "denied": "permission was refused",
    "timeout": "it took too long to read",
    "failed": "reading it failed",
    "not-asked": "it was not asked for",
}


@record
class Selection:
    """Which checks count. ``ignore``: still run and printed, but a failure does not count.

    ``skip``: not run. Both take ids, kubeadm's names, ``ID:SUBJECT``, and ``all``.
    """

    ignore: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    deep: bool = False


class _Names:
    """The words of --ignore or --skip."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.lowered = tuple(word.lower() for word in words)

    def match(self, check: Check, subject: str, alias: str) -> bool:
        names = {check.id.lower(), alias.lower(), f"{check.id}:{subject}".lower(), "all"}
        if not alias:
            names |= {name.lower() for name in check.aliases}
        return any(word in names for word in self.lowered)


class _OutOfTime(BaseException):
    """Not an Exception, so that a check's own handlers do not swallow it."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupts the block after ``seconds`` (main thread only; elsewhere there is no alarm)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise _OutOfTime

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def find_check(name: str, checks: Iterable[Check]) -> Check:
    """The check with this id or this name of kubeadm's. Raises UsageError with the nearest."""
    known: dict[str, Check] = {}
    patterns: list[tuple[str, Check]] = []
    for check in checks:
        for word in (*check.aliases, check.id):
            if "*" in word:
                patterns.append((word.lower(), check))
            else:
                known.setdefault(word.lower(), check)
    if found := known.get(name.lower()):
        return found
    for pattern, check in patterns:
        if fnmatchcase(name.lower(), pattern):
            return check
    near = get_close_matches(name.lower(), known, 1, cutoff=0.6)
    hint = f"; did you mean {known[near[0]].id}?" if near else "; nodeprep explain lists them"
    raise UsageError(f"no check is called {name!r}{hint}")


def validate_names(words: Iterable[str], checks: Iterable[Check]) -> None:
    """Raises UsageError for a word of --ignore or --skip that names no check."""
    checks = list(checks)
    for word in words:
        name = word.split(":", 1)[0]
        if name.lower() not in NOT_OURS:
            find_check(name, checks)


def run_checks(
    facts: Facts, target: Target, checks: Iterable[Check], selection: Selection | None = None
) -> list[Finding]:
    """Every finding of the checks that apply to the target's role and phase.

    Raises UsageError where --ignore or --skip name a check that does not exist.
    """
    selection = selection or Selection()
    checks = list(checks)
    validate_names((*selection.ignore, *selection.skip), checks)
    ignore, skip = _Names(selection.ignore), _Names(selection.skip)
    findings: list[Finding] = []
    for check in checks:
        if target.role not in check.roles or target.phase not in check.phases:
            continue
        if (check.deep and not selection.deep) or skip.match(check, "", ""):
            continue
        started = time.perf_counter()
        judgements = judge(partial(check.function, facts, target))
        each_ms = (time.perf_counter() - started) * 1000 / max(1, len(judgements))
        findings += [
            finding(check, judgement, ignore, each_ms)
            for judgement in judgements
            if not skip.match(check, judgement.subject, judgement.alias)
        ]
    return findings


def run_comparisons(
    deck: Deck,
    comparisons: Mapping[str, Callable[[Deck], Iterable[Judgement]]],
    checks: Mapping[str, Check],
    selection: Selection | None = None,
) -> list[Finding]:
    """Every finding of the comparisons, each under the check of its id.

    Raises UsageError where --ignore or --skip name a check that does not exist.
    """
    selection = selection or Selection()
    validate_names((*selection.ignore, *selection.skip), checks.values())
    ignore, skip = _Names(selection.ignore), _Names(selection.skip)
    findings: list[Finding] = []
    for id, compare in comparisons.items():
        check = checks[id]
        if skip.match(check, "", ""):
            continue
        started = time.perf_counter()
        judgements = judge(partial(compare, deck), COMPARISON_TIME_LIMIT_S)
        each_ms = (time.perf_counter() - started) * 1000 / max(1, len(judgements))
        findings += [
            finding(check, judgement, ignore, each_ms)
            for judgement in judgements
            if not skip.match(check, judgement.subject, judgement.alias)
        ]
    return findings


def judged_findings(
    judgements: Mapping[str, Iterable[Judgement]], checks: Mapping[str, Check]
) -> list[Finding]:
    """Judgements that were made elsewhere, as findings of the checks of their ids."""
    nothing = _Names(())
    return [
        finding(checks[id], judgement, nothing, 0.0)
        for id, found in judgements.items()
        for judgement in found
    ]


def finding(check: Check, judgement: Judgement, ignore: _Names, duration_ms: float) -> Finding:
    """A judgement with its check's id, title, severity and source."""
    severity = judgement.severity or check.severity
    status = judgement.status
    if status is Status.FAIL and severity is Severity.WARNING:
        status = Status.WARN
    counts = status in (Status.FAIL, Status.WARN, Status.UNKNOWN)
    return Finding(
        id=check.id,
        subject=judgement.subject,
        title=check.title,
        status=status,
        severity=severity,
        message=judgement.message,
        observed=judgement.observed,
        expected=judgement.expected,
        remedy=judgement.remedy,
        fix=check.fix if counts else "",
        source=check.source,
        aliases=(judgement.alias,) if judgement.alias else check.aliases,
        ignored=counts and ignore.match(check, judgement.subject, judgement.alias),
        duration_ms=round(duration_ms, 3),
        nodes=judgement.nodes,
    )


def judge(
    action: Callable[[], Iterable[Judgement]], limit_s: float | None = None
) -> list[Judgement]:
    """What ``action`` yields; where it breaks or does not end, one that says so comes last."""
    judgements: list[Judgement] = []
    limit_s = CHECK_TIME_LIMIT_S if limit_s is None else limit_s
    try:
        with _time_limit(limit_s):
            judgements.extend(action())
    except Undetermined as error:
        reason = _REASONS.get(error.unknown.reason, error.unknown.reason)
        if error.unknown.reason == "not-asked":
            judgements.append(Judgement(Status.SKIP, error.unknown.message))
        else:
            judgements.append(
                undetermined(f"{reason}: {error.unknown.message}", remedy=error.remedy)
            )
    except _OutOfTime:
        judgements.append(undetermined(f"the check did not end within {limit_s:g} s"))
    except Exception as error:  # noqa: BLE001  (one broken check must not hide the others)
        judgements.append(undetermined(f"the check broke: {type(error).__name__}: {error}"))
    return judgements

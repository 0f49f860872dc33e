"""A check that raises, hangs or is refused gives one unknown finding, and the rest go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from preflight.checks.registry import (
    EVERY_ROLE,
    WARNING,
    Check,
    CheckFunction,
    Judgement,
    failed,
    passed,
    registry,
    undetermined,
)
from preflight.engine import Selection, find_check, run_checks
from preflight.facts.collect import SUBJECTS
from preflight.facts.model import Facts, Unknown, known
from preflight.finding import Severity, Status
from preflight.report.model import CheckReport, Verdict
from preflight.report.text import render
from preflight.target import Phase, Target
from rules.cluster import Role
from rules.errors import UsageError
from tests.nodes import healthy, target


def make(
    function: CheckFunction,
    id: str = "seeded",
    severity: Severity = Severity.ERROR,
    roles: frozenset[Role] = EVERY_ROLE,
    phases: frozenset[Phase] = frozenset(Phase),
    aliases: tuple[str, ...] = (),
    deep: bool = False,
) -> Check:
    return Check(
        id,
        "Seeded",
        "why",
        "https://x.test",
        severity,
        roles,
        phases,
        aliases,
        "",
        "",
        deep,
        function,
    )


def holds(facts: Facts, wanted: Target) -> Iterator[Judgement]:
    yield passed("it holds")


def breaks(facts: Facts, wanted: Target) -> list[Judgement]:
    raise KeyError("eth0")


def hangs(facts: Facts, wanted: Target) -> list[Judgement]:
    while True:
        time.sleep(0.01)


def swallows(facts: Facts, wanted: Target) -> list[Judgement]:
    while True:
        with suppress(Exception):
            time.sleep(0.01)


def is_refused(facts: Facts, wanted: Target) -> list[Judgement]:
    known(Unknown("denied", "/proc/1/root may not be read: Permission denied"))
    return []


def fails(facts: Facts, wanted: Target) -> Iterator[Judgement]:
    yield failed("port 6443 is taken", subject="6443/tcp", remedy="stop it", alias="Port-6443")


def fails_halfway(facts: Facts, wanted: Target) -> Iterator[Judgement]:
    yield failed("port 6443 is taken", remedy="stop it")
    raise RuntimeError("and then it broke")


def report(
    checks: list[Check], selection: Selection | None = None, *, strict: bool = False
) -> CheckReport:
    findings = run_checks(healthy(), target(), checks, selection)
    return CheckReport("m1", target(), "2026-11-23T12:00:00Z", 1.0, tuple(findings), strict)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (breaks, "the check broke: KeyError: 'eth0'"),
        (hangs, "did not end within"),
        (swallows, "did not end within"),
        (is_refused, "permission was refused"),
    ],
)
def test_one_bad_check_is_one_unknown_finding_and_the_rest_go_on(
    function: CheckFunction, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("preflight.engine.CHECK_TIME_LIMIT_S", 0.2)
    made = report([make(function, "bad"), make(holds, "good")])
    bad, good = made.findings
    assert (bad.id, bad.status) == ("bad", Status.UNKNOWN)
    assert words in bad.message
    assert good.status is Status.PASS
    assert made.verdict is Verdict.UNDETERMINED


def test_a_failure_beside_an_unknown_is_the_worse_verdict() -> None:
    assert report([make(breaks, "bad"), make(fails, "worse")]).verdict is Verdict.NOT_READY


def test_what_was_found_before_a_check_broke_is_kept() -> None:
    made = report([make(fails_halfway)])
    assert [found.status for found in made.findings] == [Status.FAIL, Status.UNKNOWN]


def test_not_asked_for_is_skipped_and_not_unknown() -> None:
    def asks(facts: Facts, wanted: Target) -> list[Judgement]:
        known(Unknown("not-asked", "no packet is sent with --offline"))
        return []

    (found,) = report([make(asks)]).findings
    assert found.status is Status.SKIP


def test_a_failing_warning_check_warns_and_only_strict_makes_it_count() -> None:
    checks = [make(fails, severity=WARNING)]
    assert report(checks).findings[0].status is Status.WARN
    assert report(checks).verdict is Verdict.READY
    assert report(checks, strict=True).verdict is Verdict.NOT_READY


def test_an_unknown_warning_check_does_not_hold_the_node_back() -> None:
    def unsure(facts: Facts, wanted: Target) -> Iterator[Judgement]:
        yield undetermined("no answer")

    checks = [make(unsure, severity=WARNING)]
    assert report(checks).verdict is Verdict.READY
    assert report(checks, strict=True).verdict is Verdict.UNDETERMINED


@pytest.mark.parametrize(
    "word", ["seeded", "Port-6443", "port-6443", "seeded:6443/tcp", "all", "SEEDED"]
)
def test_an_ignored_failure_is_printed_and_does_not_count(word: str) -> None:
    made = report([make(fails, aliases=("Port-*",))], Selection(ignore=(word,)))
    (found,) = made.findings
    assert found.status is Status.FAIL
    assert found.ignored
    assert made.verdict is Verdict.READY


@pytest.mark.parametrize("word", ["Port-10250", "seeded:10250/tcp"])
def test_ignoring_another_subject_changes_nothing(word: str) -> None:
    made = report([make(fails, aliases=("Port-*",))], Selection(ignore=(word,)))
    assert made.verdict is Verdict.NOT_READY


def test_a_skipped_check_is_not_run() -> None:
    assert report([make(hangs)], Selection(skip=("seeded",))).findings == ()


def test_a_skipped_subject_is_not_in_the_report() -> None:
    assert report([make(fails)], Selection(skip=("seeded:6443/tcp",))).findings == ()


def test_a_name_that_no_check_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean seeded"):
        report([make(holds)], Selection(ignore=("seded",)))


def test_roles_phases_and_deep_choose_the_checks() -> None:
    checks = [
        make(holds, "etcd-only", roles=frozenset({Role.ETCD})),
        make(holds, "after-only", phases=frozenset({Phase.AFTER})),
        make(holds, "deep-only", deep=True),
        make(holds, "always"),
    ]
    assert [found.id for found in report(checks).findings] == ["always"]
    deep = report(checks, Selection(deep=True))
    assert [found.id for found in deep.findings] == ["deep-only", "always"]


# These judge the configuration alone; root-privileges judges the run itself.
NEED_NO_FACTS = {"root-privileges", "cidrs-disjoint", "cidr-capacity", "cni-product-ready"}


def test_every_registered_check_survives_facts_that_are_all_unknown() -> None:
    gone = Unknown("denied", "may not be read")
    facts = replace(healthy(), **dict.fromkeys(SUBJECTS, gone))  # type: ignore[arg-type]
    for role in Role:
        for phase in Phase:
            wanted = target(role, phase=phase)
            for found in run_checks(facts, wanted, registry().values(), Selection(deep=True)):
                assert "the check broke" not in found.message, found
                if found.id not in NEED_NO_FACTS:
                    assert found.status in (Status.UNKNOWN, Status.SKIP), found


def test_every_check_has_what_a_user_needs() -> None:
    for id, check in registry().items():
        assert check.source.startswith("https://"), id
        assert len(check.why) > 20, id
        assert find_check(id, registry().values()) is check


@pytest.mark.parametrize("word", ["ImagePull", "KubernetesVersion", "all"])
def test_a_kubeadm_name_that_nodeprep_leaves_to_kubeadm_is_accepted(word: str) -> None:
    assert report([make(holds)], Selection(ignore=(word,))).verdict is Verdict.READY


def test_a_run_that_judged_nothing_is_not_ready() -> None:
    nothing = report([make(holds)], Selection(skip=("all",)))
    assert nothing.findings == ()
    assert nothing.verdict is Verdict.UNDETERMINED
    assert "nothing was judged" in render(nothing)

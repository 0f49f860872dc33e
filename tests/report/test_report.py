"""The same findings in every format, each by the rules of its own format."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pytest
import yaml

from preflight.finding import Finding, Severity, Status
from preflight.report import junit, sarif, text
from preflight.report.document import render as render_document
from preflight.report.formats import FORMATS, render, wants_colour
from preflight.report.model import CheckReport, document
from rules.errors import UsageError
from tests.nodes import target

HOSTILE = 'x\x1b[31m<script>]]>&"\x00\n{{7*7}}\ud800'
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
SARIF_SCHEMA = Path(__file__).parent / "schemas" / "sarif-2.1.0.json"


def found(id: str, status: Status, severity: Severity = Severity.ERROR, **more: Any) -> Finding:
    values = {
        "title": id.title(),
        "subject": "",
        "message": f"{id} was seen",
        "source": "https://example.test/x",
        **more,
    }
    return Finding(id=id, status=status, severity=severity, **values)


def report(*findings: Finding, node: str = "m1") -> CheckReport:
    return CheckReport(node, target(), "2026-11-23T12:00:00Z", 123.4, findings)


def sample() -> CheckReport:
    return report(
        found("swap-off", Status.FAIL, remedy="swapoff -a", observed="2 GiB", expected="none"),
        found("cpu-count", Status.PASS),
        found("port-free", Status.PASS, subject="6443/tcp"),
        found("port-free", Status.PASS, subject="10250/tcp"),
        found("selinux", Status.WARN, Severity.WARNING, remedy="look at it"),
        found("cri-socket", Status.UNKNOWN),
        found("ssh-host-key-unique", Status.SKIP, Severity.WARNING),
        found("memory", Status.FAIL, ignored=True, remedy="add memory"),
    )


def test_text_puts_failures_last_with_their_remedies() -> None:
    printed = text.render(sample())
    words = [line.split()[0] for line in printed.splitlines() if line[:4].strip().isupper()]
    assert words == ["PASS", "PASS", "SKIP", "UNKNOWN", "WARN", "FAIL", "FAIL"]
    assert "fix: swapoff -a" in printed
    assert "want: none, found 2 GiB" in printed
    assert "Port-Free: 6443/tcp, 10250/tcp" in printed
    assert "(ignored)" in printed
    assert printed.splitlines()[-1].startswith(
        "not-ready: 2 failed (1 ignored), 1 warning, 1 unknown"
    )


def test_several_subjects_are_one_row_that_says_what_holds() -> None:
    rows = [
        found("port-free", Status.PASS, subject=port, title=title)
        for title in ("The ports are free", "AppArmor is on")
        for port in ("1/tcp", "2/tcp")
    ]
    assert "the ports are free: 1/tcp, 2/tcp" in text.render(report(*rows[:2]))
    assert "AppArmor is on: 1/tcp, 2/tcp" in text.render(report(*rows[2:]))


def test_the_header_folds_and_says_that_the_pod_network_is_the_default() -> None:
    header = text.render(sample(), width=80).split("\n\n")[0]
    assert max(map(len, header.splitlines())) <= 80
    assert "pod network bridge (the default)" in " ".join(header.split())


def test_quiet_leaves_only_what_needs_doing_and_verbose_shows_each_subject() -> None:
    quiet, verbose = text.render(sample(), quiet=True), text.render(sample(), verbose=True)
    assert "PASS" not in quiet
    assert "SKIP" not in quiet
    assert quiet.startswith("UNKNOWN")
    assert "6443/tcp: port-free was seen" in verbose
    assert "source: https://example.test/x" in verbose


def test_checks_skipped_for_one_reason_are_one_line() -> None:
    skips = [
        found(id, Status.SKIP, message="no kubelet runs here") for id in ("swap-off", "selinux")
    ]
    (line,) = [line for line in text.render(report(*skips)).splitlines() if "SKIP" in line]
    assert line.endswith("2 checks  no kubelet runs here: swap-off, selinux")


def test_a_narrow_terminal_folds_messages_and_keeps_commands_whole() -> None:
    long = found(
        "swap-off", Status.FAIL, message="word " * 40, remedy="sed -i /swap/d /etc/fstab " * 5
    )
    lines = text.render(report(long), width=80).splitlines()
    assert all(len(line) <= 80 for line in lines if "sed -i" not in line)
    assert sum("sed -i" in line for line in lines) == 1


def test_no_control_character_of_a_finding_reaches_the_terminal() -> None:
    printed = text.render(
        report(found("swap-off", Status.FAIL, message=HOSTILE, remedy=HOSTILE), node=HOSTILE)
    )
    assert "\x1b" not in printed
    assert "\x00" not in printed
    assert all(character.isprintable() for character in printed.replace("\n", ""))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colour_only_where_wanted(
    environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_colour(io.StringIO()) is expected
    assert (
        "\x1b[" in render(sample(), "text", quiet=False, verbose=False, stream=io.StringIO())
    ) is expected


def test_json_and_yaml_follow_the_published_schema() -> None:
    schema = json.loads((SCHEMAS / "check-report.schema.json").read_text())
    printed = render_document(document(sample()), "json")
    assert list(json.loads(printed)) == sorted(json.loads(printed))
    for value in (json.loads(printed), yaml.safe_load(render_document(document(sample()), "yaml"))):
        jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())


def test_junit_is_read_back_by_a_junit_reader() -> None:
    suite = next(iter(junitparser.JUnitXml.fromstring(junit.render(sample()).encode())))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (8, 1, 1, 2)
    names = {case.name for case in suite}
    assert {"swap-off", "port-free[6443/tcp]"} <= names


def test_junit_stays_xml_whatever_a_message_holds() -> None:
    hostile = report(found("swap-off", Status.FAIL, message=HOSTILE, subject=HOSTILE), node=HOSTILE)
    (suite,) = junitparser.JUnitXml.fromstring(junit.render(hostile).encode("utf-8", "replace"))
    assert suite.failures == 1


def test_sarif_is_valid_against_the_2_1_0_schema() -> None:
    schema = json.loads(SARIF_SCHEMA.read_text())
    value = json.loads(sarif.render(sample()))
    jsonschema.Draft202012Validator(schema).validate(value)
    run = value["runs"][0]
    assert len(run["results"]) == 8
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_the_formats_are_these_and_another_is_refused() -> None:
    for form in FORMATS:
        assert render(sample(), form, quiet=False, verbose=False, stream=io.StringIO())
    with pytest.raises(UsageError, match="text, json, yaml, junit, sarif"):
        render(sample(), "xml", quiet=False, verbose=False, stream=io.StringIO())

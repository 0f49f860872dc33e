"""Every seeded fault is found by its id, and no other check changes its verdict."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from preflight.checks.registry import registry
from preflight.engine import Selection, run_checks
from preflight.facts.model import Facts
from preflight.facts.store import document as facts_document
from preflight.facts.store import load
from preflight.report.model import CheckReport
from preflight.report.model import document as report_document
from preflight.target import Target
from tests.faults import all_faults, lab
from tests.faults.model import LiveFault, SavedFault
from tests.kernel import require_kernel
from tests.nodes import healthy

DOCS = Path(__file__).parents[2] / "docs" / "faults.md"
FAULTS = all_faults()
Verdicts = dict[str, set[tuple[str, str]]]


def verdicts(report: dict[str, Any]) -> Verdicts:
    """Check id -> its findings that are not fine, as (subject, status)."""
    found: Verdicts = defaultdict(set)
    for finding in report["findings"]:
        if finding["status"] in ("fail", "warn", "unknown"):
            found[finding["id"]].add((finding["subject"], finding["status"]))
    return found


def differing(before: Verdicts, after: Verdicts) -> set[str]:
    return {id for id in {*before, *after} if before.get(id) != after.get(id)}


def judge_saved(facts: Facts, fault: SavedFault, folder: Path) -> dict[str, Any]:
    path = folder / "node.json"
    path.write_text(json.dumps(facts_document(facts)))
    target = Target(fault.role, fault.phase, fault.version, fault.settings, "given")
    findings = run_checks(load(str(path)), target, registry().values(), Selection(deep=True))
    return report_document(CheckReport("m1", target, "", 0.0, tuple(findings)))


@cache
def reports(fault: SavedFault | LiveFault, folder: Path) -> tuple[Verdicts, Verdicts]:
    """What the checks say without the fault, and with it."""
    if isinstance(fault, SavedFault):
        node = fault.baseline(healthy())
        return (
            verdicts(judge_saved(node, fault, folder)),
            verdicts(judge_saved(fault.change(node), fault, folder)),
        )
    sound = lab.healthy(fault.role, fault.arguments, fault.baseline)
    broken = lab.check(fault.role, fault.arguments, fault.baseline, fault.shell)
    return verdicts(sound), verdicts(broken)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


def test_fault_names_are_unique() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            fault, id=fault.name, marks=[pytest.mark.kernel] if isinstance(fault, LiveFault) else []
        )
        for fault in FAULTS
    ],
)
def test_fault_is_found_by_its_id_and_by_no_other(
    fault: SavedFault | LiveFault, folder: Path
) -> None:
    if isinstance(fault, LiveFault):
        require_kernel()
    before, after = reports(fault, folder)
    assert differing(before, after) == fault.finds, {
        id: (before.get(id), after.get(id)) for id in differing(before, after) | fault.finds
    }
    for id in fault.finds:
        assert after.get(id, set()) - before.get(id, set()), f"{id} did not get worse"


def table(folder: Path) -> str:
    lines = [
        "# Seeded faults",
        "",
        "Made by `tests/faults/test_faults.py`, which seeds each fault and compares the verdicts",
        "of every check with and without it. `live`: put into private namespaces of the real",
        "kernel. `saved`: a change to a saved node, judged through `--facts`.",
        "",
        "| fault | kind | role | found by | as |",
        "| --- | --- | --- | --- | --- |",
    ]
    for fault in FAULTS:
        before, after = reports(fault, folder)
        found = sorted(differing(before, after))
        statuses = sorted(
            {status for id in found for _, status in after.get(id, set()) - before.get(id, set())}
        )
        kind = "live" if isinstance(fault, LiveFault) else "saved"
        ids = ", ".join(f"`{id}`" for id in found)
        lines.append(
            f"| {fault.name} | {kind} | {fault.role.value} | {ids} | {', '.join(statuses)} |"
        )
    return "\n".join([*lines, "", f"{len(FAULTS)} faults.", ""])


@pytest.mark.kernel
def test_table_of_faults_is_the_one_in_docs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    require_kernel()
    text = table(folder)
    with capsys.disabled():
        print(f"\n{text}")
    if os.environ.get("NODEPREP_UPDATE_DOCS") == "1":
        DOCS.write_text(text)
    assert DOCS.read_text() == text, "run: make docs"
    assert len(FAULTS) >= 45

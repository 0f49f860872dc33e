"""Each fix mends its finding, once; a dry run writes nothing, and undo leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from preflight.checks.registry import registry as checks
from preflight.fixes.registry import registry as fixes
from tests.fixes.cases import CASES, Case
from tests.fixes.lab import Node, differences
from tests.kernel import require_kernel


def statuses(document: dict[str, Any], id: str) -> set[str]:
    return {each["status"] for each in document["check"]["findings"] if each["id"] == id}


def only(case: Case) -> tuple[str, ...]:
    arguments = list(case.arguments)
    more = ""
    if "--only" in arguments:
        at = arguments.index("--only")
        more = arguments[at + 1]
        del arguments[at : at + 2]
    return (*arguments, "--only", ",".join(filter(None, (*case.mends, more))))


@pytest.mark.kernel
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fix_mends_once_and_undo_leaves_no_trace(case: Case, tmp_path: Path) -> None:
    require_kernel()
    node = Node(tmp_path, case.seed, case.program)
    try:
        arguments = only(case)
        clean = node.snapshot()
        planned = node.fix("--dry-run", *arguments)
        for id in case.mends:
            assert statuses(planned, id) & {"fail", "warn"}, f"{id} passes before"
        assert planned["changed"] is True
        assert not differences(clean, node.snapshot()), "the dry run wrote something"
        assert not node.effects()

        done = node.fix(*arguments, code=None)
        assert done["problems"] == []
        told = [{**each, "after": None} for each in done["changes"]]
        assert told == [{**each, "after": None} for each in planned["changes"]]
        effects = {effect.removeprefix("systemctl ") for effect in done["effects"]}
        assert effects | set(case.besides) == set(node.effects())
        assert set(case.effects) <= effects
        for id in case.mends:
            assert not statuses(done, id) & {"fail", "warn", "unknown"}, (
                id,
                [each for each in done["check"]["findings"] if each["id"] == id],
            )
        mended = node.snapshot()
        assert differences(clean, mended) or not case.mends

        again = node.fix(*arguments, code=None)
        assert (again["changed"], again["changes"], again["problems"]) == (False, [], [])
        assert not differences(mended, node.snapshot()), "the second run wrote something"

        assert node.undo()["problems"] == []
        assert not differences(clean, node.snapshot())
    finally:
        node.close()


def test_every_fix_is_of_a_check_and_is_tried_here() -> None:
    assert set(fixes()) <= set(checks())
    assert {id for id, check in checks().items() if check.fix} == set(fixes())
    tried = {id for case in CASES for id in case.mends}
    tried |= {"executable", "ssh-host-key-unique"}
    assert set(fixes()) == tried

"""SIGKILL before any change: a re-run completes, and one undo restores every byte."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixes.killed import SEED
from tests.fixes.lab import Node, differences
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
# A sweep: NODEPREP_KILLS=100.
KILLS = int(os.environ.get("NODEPREP_KILLS", "15"))
SIGKILLED = 137


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    require_kernel()
    made = Node(tmp_path, SEED)
    yield made
    made.close()


def run(node: Node, verb: str, fatal: int = -1) -> int:
    """The count of changes; an error where it was not killed and should have been."""
    # The code with a word before it: there may be as many changes as its number.
    script = f"{sys.executable} -m tests.fixes.killed {verb} {fatal} || echo code $?"
    out = node.run("bash", "-c", script).split()
    assert (out[-2:] == ["code", str(SIGKILLED)]) is (fatal >= 0), (verb, fatal, out)
    assert fatal >= 0 or len(out) == 1, (verb, fatal, out)
    return int(out[-1])


def without_times(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Files that were written at another time are the same."""
    return {
        path: [*value[:4], *value[5:]] if isinstance(value, list) and len(value) == 6 else value
        for path, value in snapshot.items()
    }


def test_killed_at_any_point_a_rerun_completes_and_undo_restores(node: Node) -> None:
    clean = node.snapshot()
    changes = {"fix": run(node, "fix")}
    mended = without_times(node.snapshot())
    assert len(differences(without_times(clean), mended)) > 12
    changes["undo"] = run(node, "undo")
    assert not differences(clean, node.snapshot())
    seed = random.randrange(2**32)  # noqa: S311  (no secret)
    chosen = random.Random(seed)  # noqa: S311  (no secret)
    points = [(verb, n) for verb, most in changes.items() for n in range(most)]
    for verb, fatal in chosen.sample(points, min(KILLS, len(points))):
        where = f"{verb} killed before change {fatal} (seed {seed})"
        if verb == "undo":
            run(node, "fix")
            run(node, "undo", fatal)
            if fatal % 2:  # or the way back is taken again
                run(node, "fix")
                assert not differences(mended, without_times(node.snapshot())), where
        else:
            run(node, "fix", fatal)
            if fatal % 3:  # or it is undone from where it stands
                run(node, "fix")
                assert not differences(mended, without_times(node.snapshot())), where
        run(node, "undo")
        left = differences(clean, node.snapshot())
        assert not left, (where, left)
        assert not list((node.state / "fixes").glob("*.json")), where

"""SIGKILL of the whole command at any point: a re-run completes, and one undo restores all."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixes.cases import CASES
from tests.fixes.lab import Node, differences
from tests.fixes.test_kill import SIGKILLED, without_times
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
# A sweep: NODEPREP_KILLS=100.
KILLS = int(os.environ.get("NODEPREP_KILLS", "3"))
# Every kind of thing that is changed: files, links, settings, swap, units, names, services that
# start anew, firewall rules and a pod network.
NAMES = ("kernel settings", "swap", "names", "managers of interfaces", "containerd, layout 2")
PARTS = ("no pod network", "a packet filter that drops")
CHOSEN = [case for name in (*NAMES, *PARTS) for case in CASES if case.name == name]
IDS = ",".join(id for case in CHOSEN for id in case.mends)
ARGUMENTS = ("--role", "master", "--offline", "--phase", "after", "--only", IDS)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    require_kernel()
    made = Node(tmp_path, "\n".join(f"(\n{case.seed}\n)" for case in CHOSEN))
    yield made
    made.close()


def run(node: Node, verb: str, fatal: int = -1) -> int:
    """One run of the command; how many changes it made."""
    arguments = ARGUMENTS if verb == "fix" else ()
    script = [sys.executable, "-m", "tests.fixes.killed_cli", str(fatal), verb, *arguments]
    process = node.start("bash", "-c", '"$@"; echo "code $?"', "bash", *script)
    out, err = process.communicate(timeout=120)
    code = int(out.split()[-1])
    if fatal >= 0 and code == SIGKILLED:
        return fatal
    # What is left after a fix is for others; that nothing was refused is seen by the state.
    assert code in ((0, 1) if verb == "fix" else (0,)), (verb, code, out[-1500:], err[-2000:])
    assert "not done" not in out, out
    count = int(err.split()[-1])
    # How often a guard is looked at hangs on the time: a run may have some changes less.
    assert fatal < 0 or count <= fatal, (fatal, count)
    return count


def test_killed_at_any_point_a_rerun_completes_and_undo_restores(node: Node) -> None:
    clean = node.snapshot()
    most = run(node, "fix")
    mended = without_times(node.snapshot())
    assert len(differences(without_times(clean), mended)) > 25
    run(node, "undo")
    assert not differences(clean, node.snapshot())
    # The same points in every run of the tests, others in every sweep.
    seed = random.randrange(2**32) if "NODEPREP_KILLS" in os.environ else 7  # noqa: S311
    chosen = random.Random(seed)  # noqa: S311  (no secret)
    print(f"seed {seed}, {most} changes, {min(KILLS, most)} of them fatal")
    killed = 0
    for at, fatal in enumerate(chosen.sample(range(most), min(KILLS, most))):
        where = f"fix killed before change {fatal} (seed {seed})"
        killed += run(node, "fix", fatal) == fatal
        if at % 3:  # or it is undone from where it stands
            run(node, "fix")
            left = differences(mended, without_times(node.snapshot()))
            assert not left, (where, left)
        run(node, "undo")
        left = differences(clean, node.snapshot())
        assert not left, (where, left)
        assert not list((node.state / "fixes").glob("*.json")), where
        print(f"{at + 1}: killed before change {fatal}: completed, undone", flush=True)
    print(f"{killed} killed")
    assert killed >= min(KILLS, most) * 0.9

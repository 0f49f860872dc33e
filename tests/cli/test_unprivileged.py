"""Without root the check still runs: what it cannot see is unknown, with the reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel import require_kernel

ROOT = Path(__file__).parents[2]
NOBODY = 65534
# The interpreter may live where nobody may not look: so it is all loaded, and only then dropped.
CODE = f"""
import io, os, sys
from contextlib import redirect_stdout
from preflight.cli.main import run
with redirect_stdout(io.StringIO()):
    run(["check", "--role", "master", "--offline", "-o", "json"])
os.setgroups([]); os.setresgid(*[{NOBODY}] * 3); os.setresuid(*[{NOBODY}] * 3)
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.kernel
@pytest.mark.parametrize("role", ["master", "worker", "multi-master", "etcd"])
def test_a_run_without_root_says_what_it_could_not_see(role: str) -> None:
    require_kernel()
    done = subprocess.run(
        [sys.executable, "-c", CODE, "check", "--role", role, "--offline", "-o", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env=dict(os.environ),
    )
    report = json.loads(done.stdout)
    assert "Traceback" not in done.stderr
    findings = {(found["id"], found["subject"]): found for found in report["findings"]}
    assert findings["root-privileges", ""]["status"] == "unknown"
    for found in report["findings"]:
        assert "the check broke" not in found["message"]
        if found["status"] == "fail":
            # A refusal is never a failure.
            assert "denied" not in found["message"].lower()
            assert "not permitted" not in found["message"].lower()
    assert done.returncode in (1, 3)


@pytest.mark.kernel
@pytest.mark.parametrize(
    "command",
    [
        "fix --role worker --offline --dry-run",
        "undo",
        "listen --role worker --seconds 1",
        "firewall status",
        "firewall remove",
        "cni doctor",
    ],
)
def test_a_state_that_may_not_be_read_is_one_line_that_names_it(
    command: str, tmp_path: Path
) -> None:
    require_kernel()
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, NOBODY, NOBODY)
    # Root without the right to look where it pleases: the interpreter stays readable.
    lacking = "-dac_override,-dac_read_search"
    done = subprocess.run(
        [
            *("setpriv", f"--bounding-set={lacking}", f"--inh-caps={lacking}", "--"),
            *(sys.executable, "-m", "preflight", *command.split()),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "NODEPREP_STATE_DIR": str(state)},
    )
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"nodeprep: {state}/")
    assert "Permission denied" in line
    assert "internal error" not in line
    assert done.returncode in (1, 3)

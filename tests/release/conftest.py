"""One build for all tests of the release, in whichever processes those run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# 2023-11-14 22:13:20 UTC.
EPOCH = "1700000000"


def build(root: Path, into: Path, **environment: str) -> None:
    argv = [sys.executable, "-m", "release", "--into", str(into)]
    done = subprocess.run(
        argv,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **environment},
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    # Of processes side by side the first builds it for all: theirs is the directory above.
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    into = place / "dist"
    with (place / "dist.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not into.exists():
            build(ROOT, place / "unfinished")
            (place / "unfinished").rename(into)
    return into

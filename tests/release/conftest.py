"""One build for all tests of the release."""

from __future__ import annotations

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
    into = tmp_path_factory.mktemp("release") / "dist"
    build(ROOT, into)
    return into

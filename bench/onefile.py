"""The single file beside the installed command: its first run, and those after it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.process import side_by_side, table
from release.sources import ROOT

CHECK = ["check", "--role", "worker", "--offline"]


def run(runs: int) -> str:
    """The table. What it builds is gone afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        build = [sys.executable, "-m", "release", "--into", f"{scratch}/dist"]
        subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        single = [sys.executable, f"{scratch}/dist/nodeprep", *CHECK]
        cached = ["env", "-u", "PYTHONDONTWRITEBYTECODE", f"NODEPREP_CACHE_DIR={scratch}/cache"]
        rows = {
            "nodeprep check --role worker --offline": [
                str(Path(sys.executable).with_name("nodeprep")),
                *CHECK,
            ],
            "the same by the single file": [*cached, *single],
            "the single file without a cache": ["env", "NODEPREP_CACHE_DIR=", *single],
        }
        samples = side_by_side(list(rows.values()), runs)
        size_mib = os.path.getsize(f"{scratch}/dist/nodeprep") / 1024**2
    return f"{table(list(rows), samples)}\n\nThe file has {size_mib:.1f} MiB."

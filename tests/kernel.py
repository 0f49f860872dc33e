"""Whether this machine lets a test make its own namespaces, and what to do where it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

import pytest


@cache
def missing() -> str:
    """Why namespaces with their own network and mounts cannot be made; empty where they can."""
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("unshare", "ip"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    tried = subprocess.run(
        ["unshare", "--mount", "--uts", "--net", "--pid", "--fork", "--mount-proc", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else tried.stderr.strip() or "unshare failed"


def require_kernel(*programs: str) -> None:
    """Skips with the reason; fails where CI demands that kernel tests run.

    ``programs``: what the test runs beside the usual tools.
    """
    absent = [program for program in programs if shutil.which(program) is None]
    if reason := missing() or ", ".join(f"{program} is not installed" for program in absent):
        if os.environ.get("NODEPREP_REQUIRE_KERNEL") == "1":
            pytest.fail(f"a kernel test cannot run here: {reason}")
        pytest.skip(reason)

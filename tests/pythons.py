"""`make pythons`: the tests that need no kernel, on every other supported Python of the machine."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache"


def version_of(program: str) -> tuple[int, int] | None:
    """(major, minor) of an interpreter that really starts and can make environments."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [program, "-c", code], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    return (int(words[0]), int(words[1])) if done.returncode == 0 and len(words) == 2 else None


def interpreters() -> dict[tuple[int, int], str]:
    """Supported version -> program, without the one that runs this."""
    candidates = [shutil.which(f"python{major}.{minor}") for major, minor in SUPPORTED]
    candidates += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3")))
    found: dict[tuple[int, int], str] = {}
    for program in filter(None, candidates):
        version = version_of(program)
        if version in SUPPORTED and version != sys.version_info[:2]:
            found.setdefault(version, program)
    return found


def main() -> int:
    worst = 0
    for (major, minor), program in sorted(interpreters().items()):
        home = CACHE / f"python{major}.{minor}"
        python = home / "bin" / "python"
        if not python.exists():
            subprocess.run([program, "-m", "venv", str(home)], check=True)
        install = [str(python), "-m", "pip", "-q", "--disable-pip-version-check", "install"]
        subprocess.run([*install, "--upgrade", "pip>=25.1"], check=True)
        subprocess.run([*install, "-e", ".", "--group", "dev"], cwd=ROOT, check=True)
        print(f"Python {major}.{minor}:", flush=True)
        tests = [
            str(python),
            "-m",
            "pytest",
            "-q",
            "-m",
            "not kernel and not install",
            "-p",
            "no:cacheprovider",
        ]
        worst = max(worst, subprocess.run(tests, cwd=ROOT, check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main())

"""`make pythons`: the tests of the interpreter's own work, on every other supported Python."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache"
# Kernel tests and those against other programs judge these and not the interpreter, of sweeps the
# other tests of the same code show enough, and the installation has its own test.
SELECTION = "not kernel and not install and not outside and not sweep"


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


def check(version: tuple[int, int], program: str) -> tuple[int, str]:
    """Installs into an environment of its own and runs the tests: exit code and output."""
    home = CACHE / f"python{version[0]}.{version[1]}"
    python = home / "bin" / "python"
    # The pip that runs here, for all: none has to be laid into each environment first.
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--python"]
    commands = [
        [program, "-m", "venv", "--without-pip", str(home)],
        [*pip, str(python), "install", "-e", ".", "--group", "portable"],
        [str(python), "-m", "pytest", "-q", "-m", SELECTION, "-p", "no:cacheprovider"],
    ]
    for command in commands:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            break
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    found = interpreters()
    worst = 0
    # One more than two cores can run, so that the last is not alone.
    with ThreadPoolExecutor(max_workers=3) as pool:
        for version, (code, output) in zip(
            found, pool.map(check, found.keys(), found.values()), strict=True
        ):
            lines = output.strip().splitlines()
            shown = lines[-1:] if code == 0 else lines[-60:]
            print(f"Python {version[0]}.{version[1]}:", *shown, sep="\n", flush=True)
            worst = max(worst, code)
    return worst


if __name__ == "__main__":
    sys.exit(main())

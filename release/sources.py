"""The sources of a release: what git tracks, as it stands in the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What hatchling dates its files where nobody says another time.
FALLBACK_EPOCH = 1580601600


def epoch() -> int:
    """The time that all files of the release carry: SOURCE_DATE_EPOCH, else the last commit's."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    return int(_git("log", "-1", "--format=%ct") or FALLBACK_EPOCH)


def export(target: Path) -> None:
    """Copies the tracked files; without git, as in an unpacked sdist, the whole tree."""
    names = [name for name in _git("ls-files", "-z").split("\0") if name]
    if not names:
        ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
        patterns = [".git", *(word.rstrip("/") for word in ignored)]
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*patterns))
        return
    for name in names:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def _git(*words: str) -> str:
    """What git prints; empty where this is no work tree of its own, or git is not installed."""
    if not (ROOT / ".git").exists() or not (git := shutil.which("git")):
        return ""
    done = subprocess.run(
        [git, "-C", str(ROOT), *words], capture_output=True, text=True, check=True
    )
    return done.stdout

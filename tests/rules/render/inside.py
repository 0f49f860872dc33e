"""Running the firewalls' own programs in namespaces, with a private copy of their directories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rules.render import Artefact
from tests.kernel import require_kernel

# A private copy of the machine's configuration directories, in memory.
_PRIVATE = r"""
set -e
mount --make-rprivate /
place=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$place"
for directory in /etc /var /lib/ufw; do
    mkdir -p "$place$directory/upper" "$place$directory/work"
    layers=lowerdir=$directory,upperdir=$place$directory/upper,workdir=$place$directory/work
    mount -t overlay overlay -o "$layers" "$directory"
done
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
"""


def inside(script: str, directory: Path, *, private: bool = False) -> str:
    """Runs a script in a network of its own (and its own /etc); what it printed."""
    require_kernel()
    done = subprocess.run(
        [
            *("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc"),
            *("bash", "-ec", _PRIVATE + script if private else script),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def lay_down(made: Artefact, directory: Path) -> Path:
    for name, text in made.files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory

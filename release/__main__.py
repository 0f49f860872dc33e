"""`make dist`: sdist, wheel, single file, manual, completions, collection, and their checksums."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from preflight import __version__
from release import collection, completions, singlefile, sources, wheels
from release.manual import manual

CONSTRAINTS = Path(__file__).with_name("build-constraints.txt")
SUMS = "SHA256SUMS"


def main() -> None:
    """Builds all of it into a directory, in the place of what an earlier run built there."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("--into", type=Path, default=sources.ROOT / "dist", metavar="DIR")
    into: Path = parser.parse_args().into
    os.environ["SOURCE_DATE_EPOCH"] = str(sources.epoch())
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "dist"
        made.mkdir()
        build(Path(scratch), made)
        _forget(into)
        shutil.copytree(made, into, dirs_exist_ok=True)
    print((into / SUMS).read_text(encoding="utf-8"), end="")


def build(scratch: Path, made: Path) -> None:
    """Everything, by way of a scratch directory."""
    tree = scratch / "tree"
    sources.export(tree)
    uv = Path(sys.executable).with_name("uv")
    argv = [str(uv), "build", "-q", "--build-constraints", str(CONSTRAINTS), "--require-hashes"]
    argv += ["--python", sys.executable, "-o", str(made), str(tree)]
    subprocess.run(argv, check=True, stdout=sys.stderr)
    (made / ".gitignore").unlink(missing_ok=True)
    (own,) = made.glob("*.whl")
    singlefile.write(made / "nodeprep", own, wheels.download(scratch / "wheels"), sources.epoch())
    (made / "nodeprep.1").write_text(manual(__version__, sources.epoch()), encoding="utf-8")
    completions.write(made / "completions")
    collection.write(made, tree, scratch, sources.epoch())
    files = sorted(path for path in made.rglob("*") if path.is_file())
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(made)}\n"
        for path in files
    ]
    (made / SUMS).write_text("".join(sums), encoding="utf-8")


def _forget(into: Path) -> None:
    """Removes what the checksums of an earlier run name there, and nothing else."""
    with contextlib.suppress(FileNotFoundError):
        for line in (into / SUMS).read_text(encoding="utf-8").splitlines():
            path = into / line.partition("  ")[2]
            if path.resolve().is_relative_to(into.resolve()):
                path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

"""The wheels that go into the single file: pinned with their hashes, for every platform."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
# The oldest Python that the file must run on: what is resolved for it runs on the later ones.
PYTHON = ("3.10", "cp310")
# psutil has compiled parts that nothing else can do; its stable ABI serves all Pythons.
NATIVE = "psutil"
# Directory of the archive -> the platform tags that pip may take, oldest last.
PLATFORMS = {
    "x86_64-gnu": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "aarch64-gnu": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "x86_64-musl": ("musllinux_1_2_x86_64", "musllinux_1_1_x86_64"),
    "aarch64-musl": ("musllinux_1_2_aarch64", "musllinux_1_1_aarch64"),
}


def requirements() -> dict[str, str]:
    """Name of each pinned distribution -> its entry of the file, with the hashes."""
    entries: dict[str, str] = {}
    name = ""
    for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if not line.startswith(" "):
            name = line.partition("==")[0]
        entries[name] = entries.get(name, "") + line + "\n"
    return entries


def download(target: Path) -> dict[str, list[Path]]:
    """Fetches the wheels: platform -> those for it alone, ``any`` -> those for all.

    PyYAML and MarkupSafe have compiled parts too, which they do without.
    """
    entries = requirements()
    native = entries.pop(NATIVE)
    first = next(iter(PLATFORMS))
    found = {"any": _fetch("".join(entries.values()), PLATFORMS[first], target / "any")}
    for name, tags in PLATFORMS.items():
        found[name] = _fetch(native, tags, target / name)
    return found


def _fetch(entries: str, platforms: tuple[str, ...], target: Path) -> list[Path]:
    target.mkdir(parents=True)
    listed = target / "requirements.txt"
    listed.write_text(entries, encoding="utf-8")
    argv = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "download"]
    argv += ["--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(listed)]
    argv += ["-d", str(target), "--python-version", PYTHON[0], "--implementation", "cp"]
    argv += [word for abi in (PYTHON[1], "abi3", "none") for word in ("--abi", abi)]
    argv += [word for tag in platforms for word in ("--platform", tag)]
    subprocess.run(argv, check=True, env={**os.environ, "PIP_NO_INPUT": "1"}, stderr=sys.stderr)
    return sorted(target.glob("*.whl"))

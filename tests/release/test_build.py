"""What is released, and that the same sources give the same bytes."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from preflight import __version__
from release import sources, wheels
from tests.release.conftest import EPOCH, build

pytestmark = pytest.mark.install
PLATFORMS = {"x86_64-gnu", "x86_64-musl", "aarch64-gnu", "aarch64-musl"}


def test_the_checksums_are_of_all_files(dist: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=dist, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    named = {line.rpartition(": ")[0] for line in done.stdout.splitlines()}
    there = {str(path.relative_to(dist)) for path in dist.rglob("*") if path.is_file()}
    assert named == there - {"SHA256SUMS"}
    assert named >= {
        "nodeprep",
        f"nodeprep-{__version__}-py3-none-any.whl",
        f"nodeprep-{__version__}.tar.gz",
        "nodeprep.1",
        f"nodeprep-kubernetes-{__version__}.tar.gz",
    }


def test_another_directory_and_hour_give_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    tree = tmp_path / "a longer name of a directory"
    sources.export(tree)
    build(tree, tmp_path / "again", TZ="Pacific/Auckland", PYTHONHASHSEED="7", LC_ALL="C")
    assert (tmp_path / "again/SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()


def test_every_member_has_the_time_that_was_given(dist: Path) -> None:
    members = zipfile.ZipFile(dist / "nodeprep").infolist()
    assert {member.date_time for member in members} == {(2023, 11, 14, 22, 13, 20)}
    with tarfile.open(dist / f"nodeprep-{__version__}.tar.gz") as sdist:
        assert {member.mtime for member in sdist.getmembers()} == {int(EPOCH)}
    assert '"2023-11-14"' in (dist / "nodeprep.1").read_text()


def test_ansible_takes_the_collection_and_its_manifest(dist: Path, tmp_path: Path) -> None:
    archive = dist / f"nodeprep-kubernetes-{__version__}.tar.gz"
    galaxy = str(Path(sys.executable).with_name("ansible-galaxy"))
    for verb in (("install", str(archive)), ("verify", "nodeprep.kubernetes", "--offline")):
        done = subprocess.run(
            [galaxy, "collection", *verb, "-p", str(tmp_path)],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
    with tarfile.open(archive) as members:
        assert {member.mtime for member in members.getmembers()} == {int(EPOCH)}


def test_the_file_holds_one_psutil_for_each_platform(dist: Path) -> None:
    archive = zipfile.ZipFile(dist / "nodeprep")
    compiled = [name for name in archive.namelist() if name.endswith(".so")]
    assert {name.split("/")[1] for name in compiled} == PLATFORMS == set(wheels.PLATFORMS)
    # The ELF header's machine: 62 is x86-64, 183 is AArch64; and the C library that it asks for.
    for name in compiled:
        data = archive.read(name)
        machine = {"x86_64": 62, "aarch64": 183}[name.split("/")[1].partition("-")[0]]
        assert data[:4] == b"\x7fELF"
        assert int.from_bytes(data[18:20], "little") == machine
        assert (b"libc.so.6" in data) == ("-gnu" in name)


def test_each_distribution_comes_with_its_licence(dist: Path) -> None:
    names = zipfile.ZipFile(dist / "nodeprep").namelist()
    described = {name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA")}
    licensed = {
        name.split("/")[0]
        for name in names
        if re.search(r"\.dist-info/.*(LICEN[SC]E|COPYING)", name)
    }
    assert described == licensed
    assert len(described) == len(wheels.requirements()) + 1


def test_what_is_pinned_is_what_the_project_asks_for() -> None:
    pinned = {
        name: Version(entry.split()[0].partition("==")[2])
        for name, entry in wheels.requirements().items()
    }
    assert all("--hash=sha256:" in entry for entry in wheels.requirements().values())
    for line in metadata.requires("nodeprep") or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(
            {"python_version": "3.10", "extra": ""}
        ):
            assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, line

"""The collection as Ansible's own tools judge it: it builds, lints, and passes the sanity tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from preflight import __version__
from tests.ansible.load import COLLECTION

pytestmark = pytest.mark.outside
_BIN = Path(sys.executable).parent
# Those that need least time, and validate-modules; NODEPREP_ANSIBLE_SWEEP=1 runs all.
SANITY = ("compile", "no-assert", "shebang", "use-argspec-type-path", "validate-modules")
# ansible-test fetches pip's installer for its own environments; every Python with venv has one.
GET_PIP = "import ensurepip\nensurepip.bootstrap(default_pip=True)\n"


@pytest.fixture
def laid(tmp_path: Path) -> Path:
    """The collection where Ansible looks for it."""
    place = tmp_path / "ansible_collections" / "nodeprep" / "kubernetes"
    shutil.copytree(COLLECTION, place)
    return place


def run(place: Path, *argv: str, code: int = 0) -> str:
    """What a tool of Ansible's prints; it must end with ``code``."""
    home = place.parents[2] / "home"
    home.mkdir(exist_ok=True)
    kept = {name: text for name, text in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [str(_BIN / argv[0]), *argv[1:]],
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
        env={
            **kept,
            "PATH": f"{_BIN}:{os.environ['PATH']}",
            "HOME": str(home),
            "ANSIBLE_HOME": str(home / ".ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(place.parents[2]),
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        },
    )
    assert done.returncode == code, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def test_it_builds(laid: Path, tmp_path: Path) -> None:
    run(
        laid,
        "ansible-galaxy",
        "collection",
        "build",
        str(COLLECTION),
        "--output-path",
        str(tmp_path),
    )
    with tarfile.open(tmp_path / f"nodeprep-kubernetes-{__version__}.tar.gz") as built:
        names = set(built.getnames())
    wanted = {
        path.relative_to(COLLECTION).as_posix()
        for path in COLLECTION.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "galaxy.yml"
    }
    assert wanted <= names | {".ansible-lint"}, wanted - names
    assert f"## {__version__}" in (COLLECTION / "CHANGELOG.md").read_text()


def test_ansible_lint_is_clean_by_the_production_profile(laid: Path) -> None:
    assert yaml.safe_load((laid / ".ansible-lint").read_text())["profile"] == "production"
    run(laid, "ansible-lint", "--offline", "--strict", ".")


@pytest.mark.install
def test_sanity(laid: Path) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    cache = laid.parents[2] / "home" / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True)
    for name in ("get_pip_24_2.py", "get_pip_25_2.py"):
        (cache / name).write_text(GET_PIP)
    chosen = [] if os.environ.get("NODEPREP_ANSIBLE_SWEEP") else SANITY
    tests = [word for name in chosen for word in ("--test", name)]
    out = run(laid, "ansible-test", "sanity", "--python", version, "--color", "no", *tests)
    assert 'Running sanity test "validate-modules"' in out


def test_a_file_that_is_not_the_released_one_is_not_copied(laid: Path) -> None:
    place = laid.parents[2]
    single, target = place / "nodeprep", place / "target"
    single.write_text("#!/bin/sh\nexit 0\n")
    (place / "inventory.ini").write_text("[kube_node]\nlocalhost ansible_connection=local\n")
    (place / "SHA256SUMS").write_text(f"{'1' * 64}  nodeprep.1\n{'0' * 64}  nodeprep\n")
    said = run(
        laid,
        *("ansible-playbook", "nodeprep.kubernetes.nodes", "-i", str(place / "inventory.ini")),
        *("-e", "nodeprep_become=false", "-e", f"nodeprep_file={single}"),
        *("-e", f"ansible_python_interpreter={sys.executable}"),
        *("-e", f"nodeprep_executable={target}"),
        code=2,
    )
    assert f"its sha256 is not {'0' * 64}" in said
    assert not target.exists()


def test_every_variable_is_documented() -> None:
    page = (COLLECTION.parent / "docs" / "ansible.md").read_text()
    names = yaml.safe_load((COLLECTION / "roles" / "node" / "defaults" / "main.yml").read_text())
    assert not [name for name in names if f"`{name}`" not in page]

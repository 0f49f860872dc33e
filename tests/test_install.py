"""The ways to install: what a wheel holds, and that pipx and uv give the command."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from preflight import __version__

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.install


def run(*argv: str, **environment: str) -> str:
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd="/",
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_wheel_holds_the_three_packages_and_nothing_else(tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "-q", "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT))
    (wheel,) = tmp_path.glob("*.whl")
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"preflight", "rules", "templates", f"nodeprep-{__version__}.dist-info"}


def test_pipx_install_gives_the_command(tmp_path: Path) -> None:
    home = {"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    run(sys.executable, "-m", "pipx", "install", "--python", sys.executable, str(ROOT), **home)
    assert run(str(tmp_path / "bin" / "nodeprep"), "--version") == f"nodeprep {__version__}\n"


def test_uv_tool_install_gives_the_command(tmp_path: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    home = {
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "UV_CACHE_DIR": str(tmp_path / "cache"),
    }
    run(str(uv), "tool", "install", "--python", sys.executable, str(ROOT), **home)
    assert run(str(tmp_path / "bin" / "nodeprep"), "--version") == f"nodeprep {__version__}\n"

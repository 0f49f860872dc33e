"""Input that is damaged in 200 ways each: exit 2 and one line, or it happens to be valid still."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from preflight import config
from preflight.cli.main import run
from preflight.facts.store import document
from tests.config.mutate import mutate
from tests.nodes import healthy

ROOT = Path(__file__).parents[2]
NOBODY = 65534
BATCHES = [
    pytest.param(range(first, first + 25), marks=[pytest.mark.sweep] if first else [])
    for first in range(0, 200, 25)
]
CHECK = ("check", "--role", "master", "--offline")
FLAGS = {"config": "--config", "kubeadm": "--kubeadm-config", "facts": "--facts"}
VALID = {
    "config": (ROOT / "docs/examples/nodeprep.yaml").read_bytes(),
    "kubeadm": (ROOT / "tests/captures/kubeadm/v1beta4.yaml").read_bytes(),
    "facts": json.dumps(document(healthy()), indent=1).encode(),
}
# Pieces of every secret in the kubeadm file, long enough to be no chance hit.
SECRETS = ("abcdef.012345", "e6a2eb8581237ab72a4f")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that holds everything that a run could write to."""
    for name in ("home", "state", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("NODEPREP_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(config, "DEFAULT_FILE", str(tmp_path / "none.yaml"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "facts.json").write_bytes(VALID["facts"])
    return tmp_path


def tree(place: Path) -> list[tuple[str, int, int, int]]:
    """Everything below a directory, and whether nodeprep's own places on this machine exist."""
    rows = []
    for path in (place, *sorted(place.rglob("*"))):
        status = path.lstat()
        rows.append((str(path), status.st_mode, status.st_size, status.st_mtime_ns))
    return [
        *rows,
        *((name, os.path.lexists(name), 0, 0) for name in ("/etc/nodeprep", "/var/lib/nodeprep")),
    ]


def arguments(kind: str, path: str) -> list[str]:
    facts = [] if kind == "facts" else ["--facts", "facts.json"]
    return [*CHECK, *facts, FLAGS[kind], path]


def assert_clean(code: int, stdout: str, stderr: str) -> None:
    assert code in (0, 1, 2, 3), code
    assert "Traceback" not in stdout + stderr
    assert "internal error" not in stderr
    assert not [secret for secret in SECRETS if secret in stdout + stderr]
    if code == 2:
        assert stdout == ""
        assert stderr.startswith("nodeprep: ")
        assert stderr.count("\n") == 1
        assert stderr.endswith("\n")
        assert stderr[:-1].isprintable()
        assert len(stderr) < 2000
    else:
        assert stdout


@pytest.mark.parametrize("kind", FLAGS)
def test_the_files_that_are_damaged_below_are_valid(
    place: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    (place / "input").write_bytes(VALID[kind])
    assert run(arguments(kind, "input")) != 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("seeds", BATCHES, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
@pytest.mark.parametrize("kind", FLAGS)
def test_damaged_input_is_one_line_and_exit_2(
    place: Path, capsys: pytest.CaptureFixture[str], kind: str, seeds: range
) -> None:
    codes = []
    for seed in seeds:
        (place / "input").write_bytes(mutate(VALID[kind], seed))
        before = tree(place)
        codes.append(run(arguments(kind, "input")))
        captured = capsys.readouterr()
        assert_clean(codes[-1], captured.out, captured.err)
        assert tree(place) == before, seed
    # The damage is worth something: most of it makes a file unusable.
    assert codes.count(2) > len(seeds) / 3


def _huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(40 * 1024 * 1024 * 1024)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


SPECIAL: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "directory": lambda path: path.mkdir(),
    "fifo": os.mkfifo,
    "socket": _socket,
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "null": lambda path: path.symlink_to("/dev/null"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "loop": lambda path: path.symlink_to(path),
    "dangling": lambda path: path.symlink_to("/nonexistent/input"),
    "memory": lambda path: path.symlink_to("/proc/self/mem"),
    "huge": _huge,
    "empty": lambda path: path.write_text(""),
}


@pytest.mark.parametrize("name", SPECIAL)
@pytest.mark.parametrize("kind", FLAGS)
def test_what_is_no_plain_file_is_one_line_and_exit_2(
    place: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    SPECIAL[name](place / "input")
    before = tree(place)
    code = run(arguments(kind, "input"))
    captured = capsys.readouterr()
    assert_clean(code, captured.out, captured.err)
    # An empty cluster file says nothing, which is allowed.
    assert (code == 2) is ((kind, name) != ("config", "empty"))
    assert tree(place) == before


@pytest.mark.parametrize(("kind", "seed"), [("config", 5), ("kubeadm", 17), ("facts", 29)])
def test_a_whole_process_behaves_the_same(place: Path, kind: str, seed: int) -> None:
    for damaged in (mutate(VALID[kind], seed), VALID[kind][:200], b"\x7fELF" + bytes(100)):
        (place / "input").write_bytes(damaged)
        before = tree(place)
        done = _process(["-B", "-m", "preflight", *arguments(kind, "input")])
        assert_clean(done.returncode, done.stdout, done.stderr)
        assert tree(place) == before


@pytest.mark.parametrize("kind", FLAGS)
def test_a_file_that_may_not_be_read_is_one_line_and_exit_2(place: Path, kind: str) -> None:
    (place / "input").write_bytes(VALID[kind])
    (place / "input").chmod(0)
    # Root reads everything, so it is dropped, once all modules are loaded: the interpreter may
    # live where nobody may not look.
    drop = f"os.setgroups([]); os.setresgid(*[{NOBODY}] * 3); os.setresuid(*[{NOBODY}] * 3)"
    code = (
        "import os, sys; from preflight.cli.main import run; import preflight.cli.check, "
        "preflight.runs.check, preflight.config.merge, preflight.checks.registry as checks, "
        "preflight.report.formats, preflight.facts.store, preflight.facts.collect, yaml; "
        f"checks.registry(); {drop if os.geteuid() == 0 else ''}; sys.exit(run(sys.argv[1:]))"
    )
    place.chmod(0o755)
    done = _process(["-B", "-c", code, *arguments(kind, str(place / "input"))])
    assert done.returncode == 2, done
    assert "cannot be read: Permission denied" in done.stderr
    assert_clean(done.returncode, done.stdout, done.stderr)


def _process(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

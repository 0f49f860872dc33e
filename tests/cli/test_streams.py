"""Whatever the shell made of the standard streams: one line, the right code, whole documents."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from preflight.facts.store import document
from tests.nodes import healthy

ROOT = Path(__file__).parents[2]
LIMIT_S = 60
# Characters of messages that an ASCII locale does not know; the value of `hostname` may be any.
NODE = "n\u00f6\u2026de"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node whose name no ASCII locale can print."""
    facts = document(healthy())
    facts["identity"]["hostname"] = NODE
    path = tmp_path_factory.mktemp("streams") / "node.json"
    path.write_text(json.dumps(facts))
    return path


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", line.replace("nodeprep", f"{sys.executable} -m preflight")],
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("form", ["text", "json", "sarif"])
@pytest.mark.parametrize(
    ("redirect", "said"),
    [
        (">/dev/full", "nodeprep: standard output cannot be written: No space left on device\n"),
        (">&-", "nodeprep: standard output cannot be written: Bad file descriptor\n"),
        (">&- 2>&-", ""),
        ("<&- >&- 2>&-", ""),
        (">/dev/full 2>/dev/full", ""),
    ],
)
def test_a_report_that_cannot_be_written_is_undetermined(
    redirect: str, said: str, form: str, saved: Path
) -> None:
    done = shell(f"nodeprep check --role master --facts {saved} -o {form} {redirect}")
    assert (done.returncode, done.stderr.decode(), done.stdout) == (3, said, b"")


@pytest.mark.parametrize("redirect", ["2>&-", "<&-", "2>/dev/full", "| head -c 10"])
def test_other_streams_do_not_count(redirect: str, saved: Path) -> None:
    command = f"nodeprep check --role master --facts {saved}"
    whole = shell(command)
    done = shell(f"set -o pipefail; {command} {redirect}")
    assert (done.returncode, done.stderr) == (whole.returncode, b"")
    assert done.stdout[:10] == whole.stdout[:10]


def test_messages_that_nobody_can_read_leave_the_code_alone() -> None:
    for redirect in ("2>&-", "2>/dev/full"):
        assert shell(f"nodeprep check --role boss {redirect}").returncode == 2


@pytest.mark.parametrize("form", ["text", "json", "yaml", "junit", "sarif"])
@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["encoding", "locale"],
)
def test_output_is_utf8_in_every_locale(form: str, locale: dict[str, str], saved: Path) -> None:
    done = shell(f"nodeprep check --role master --facts {saved} -o {form}", **locale)
    assert done.stderr == b""
    assert NODE in done.stdout.decode("utf-8")


def on_terminal(command: list[str], **environment: str) -> str:
    """What a command prints on a terminal of its own, as bytes read in Latin-1."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execve(  # noqa: S606  (no shell is the point)
            sys.executable, [sys.executable, *command], {**os.environ, **environment}
        )
    said = b""
    try:
        while select.select([terminal], [], [], LIMIT_S)[0]:
            if not (piece := os.read(terminal, 65536)):
                break
            said += piece
    except OSError:  # how the end of a terminal is told
        pass
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
    return said.decode("latin-1")


def test_a_terminal_that_cannot_show_a_character_shows_its_escape(saved: Path) -> None:
    said = on_terminal(
        ["-m", "preflight", "check", "--role", "master", "--facts", os.fspath(saved)],
        PYTHONIOENCODING="ascii",
        TERM="xterm",
        NO_COLOR="",
    )
    assert "n\\xf6\\u2026de" in said
    assert "\x1b[32mPASS" in said


def test_no_colour_where_none_is_wanted(saved: Path) -> None:
    command = ["-m", "preflight", "check", "--role", "master", "--facts", os.fspath(saved)]
    assert "\x1b" not in on_terminal(command, NO_COLOR="1", TERM="xterm")
    assert "\x1b" not in on_terminal(command, TERM="dumb", NO_COLOR="")


@pytest.mark.parametrize("when", ["early", "late"])
def test_an_interrupted_run_says_so_in_one_line(when: str, tmp_path: Path) -> None:
    # Early: in the middle of the imports. Late: a program that the check runs does not end.
    slow, marker = tmp_path / "ip", tmp_path / "started"
    slow.write_text(f"#!/bin/sh\necho $$ >> {marker}\nsleep 600\n")
    slow.chmod(0o755)
    code = (
        "import os, sys, signal\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "if sys.argv.pop(1) == 'early': sys.meta_path.insert(0, Interrupts())\n"
        "from preflight.__main__ import main\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, when, "check", "--role", "master", "--offline"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    if when == "late":
        end = time.monotonic() + LIMIT_S
        while not marker.exists() and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, err.strip(), out) == (130, "nodeprep: interrupted", "")
    if when == "late":
        for number in marker.read_text().split():
            assert not Path(f"/proc/{number}").exists(), "a program outlives the run"

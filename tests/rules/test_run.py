"""Running programs: what hangs, floods or leaves children behind costs a message, no more."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from rules import run as module
from rules.errors import CommandError
from rules.run import Running, end_all, run

PATIENCE_S = 30.0


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid: int) -> bool:
    end = time.monotonic() + PATIENCE_S
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(pid)


def number_in(path: Path) -> int:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text().strip()):
            return int(text)
        time.sleep(0.01)
    raise AssertionError(f"nothing was written to {path}")


def test_both_streams_and_the_input_are_whole() -> None:
    size = 3_000_000
    code = (
        "import sys; t = sys.stdin.read(); sys.stdout.write(t); sys.stderr.write(t[::-1]);"
        "sys.stdout.buffer.write(bytes([255]))"
    )
    text = "a" * size + "é\n"
    output = run([sys.executable, "-X", "utf8", "-c", code], timeout_s=PATIENCE_S, stdin=text)
    assert output.stdout == f"{text}\ufffd"
    assert output.stderr == text[::-1]


@pytest.mark.parametrize("leader", ["wait", "exit"])
def test_what_does_not_end_is_ended_with_its_children(tmp_path: Path, leader: str) -> None:
    script = f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/child; {leader}"
    running = Running(["sh", "-c", script])
    child = number_in(tmp_path / "child")
    with pytest.raises(CommandError, match="did not end within") as caught:
        running.result(timeout_s=0.3)
    assert caught.value.reason == "timeout"
    assert gone(child)


def test_the_time_counts_from_the_start(tmp_path: Path) -> None:
    late, done = Running(["sleep", "600"]), Running(["echo", "done"])
    time.sleep(0.3)
    with pytest.raises(CommandError):
        late.result(timeout_s=0.2)
    assert done.result(timeout_s=0.2).stdout == "done\n", "what was printed in time counts"


def test_a_flood_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OUTPUT_LIMIT_BYTES", 1024 * 1024)
    with pytest.raises(CommandError, match="yes printed more than 1 MiB") as caught:
        run(["yes"], timeout_s=PATIENCE_S)
    assert caught.value.reason == "failed"


def test_nothing_outlives_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_over", threading.Event())
    Running(["sh", "-c", f"sleep 600 & echo $! > {tmp_path}/child; wait"])
    child = number_in(tmp_path / "child")
    end_all()
    assert gone(child)
    end_all()
    with pytest.raises(CommandError, match="the run is over"):
        Running(["true"])


def test_a_long_command_line_is_cut_in_messages() -> None:
    with pytest.raises(CommandError) as caught:
        run(["false", *map(str, range(500))], timeout_s=PATIENCE_S)
    assert str(caught.value).endswith("... ended with 1: nothing printed")
    assert len(str(caught.value)) < 200


def test_reasons_are_kept_apart(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not installed") as caught:
        Running(["no-such-program"])
    assert caught.value.reason == "absent"
    with pytest.raises(CommandError) as caught:
        run(["sh", "-c", "echo 'Permission denied' >&2; exit 1"], timeout_s=PATIENCE_S)
    assert caught.value.reason == "denied"
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    with pytest.raises(CommandError, match="does not start") as caught:
        Running([os.fspath(broken)])
    assert caught.value.reason == "failed"


def test_a_script_for_the_boot_finds_what_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEARCH_PATH", f"{tmp_path}:{module.SEARCH_PATH}")
    for name in ("sh", "nodeprep-test-only"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert module.boot_path(["sh", "nodeprep-nowhere"]) == module.BOOT_PATH
    found = module.boot_path(["sh", "nodeprep-test-only"])
    assert found == f"{module.BOOT_PATH}:{tmp_path}"

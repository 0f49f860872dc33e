"""Files are written whole and keep what is not their text; what is shown of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from preflight.fixes.changes import change_items, differing
from preflight.fixes.journal import Entry, journals
from preflight.fixes.kinds import file
from preflight.fixes.steps import FixError
from rules.state import Store, UnreadableError


def attributes(path: Path) -> tuple[object, ...]:
    info = path.stat()
    xattrs = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    owner = (info.st_uid, info.st_gid)
    return path.read_bytes(), stat.S_IMODE(info.st_mode), owner, info.st_mtime_ns, xattrs


def test_a_file_comes_back_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"caf\xe9\r\nno end")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 0, 4)
    try:
        os.setxattr(path, "user.note", b"\x00kept")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    before = attributes(path)
    state = file.read(str(path))
    file.write(str(path), {**state, "text": "other\n"})
    other = attributes(path)
    assert other[0] == b"other\n"
    assert (other[1], other[2], other[4]) == (before[1], before[2], before[4])
    file.write(str(path), None)
    assert not path.exists()
    file.write(str(path), state)
    assert attributes(path) == before
    assert os.listdir(tmp_path) == ["a"]


def test_what_is_left_of_a_killed_run_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "a"
    Path(file.temporary(str(path))).symlink_to("/nowhere")
    file.write(str(path), {"text": "x", "mode": 0o644, "uid": os.geteuid(), "gid": os.getegid(),
                           "xattrs": {}})  # fmt: skip
    assert path.read_text() == "x"
    assert os.listdir(tmp_path) == ["a"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name in ("pipe", "directory"):
        with pytest.raises(FixError, match="not a regular file"):
            file.read(str(tmp_path / name))
    assert file.read(str(tmp_path / "pipe" / "x")) is None
    with pytest.raises(FixError, match="cannot be written"):
        file.write(str(tmp_path / "absent" / "x"), {"link": "y"})


def test_directories_are_made_and_only_empty_ones_removed(tmp_path: Path) -> None:
    path = str(tmp_path / "a" / "b" / "c")
    missing = file.missing_directories(path)
    assert missing == [str(tmp_path / "a"), str(tmp_path / "a" / "b")]
    os.umask(os.umask(0o077))
    file.make_directories(missing)
    file.make_directories(missing)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o755
    (tmp_path / "a" / "foreign").touch()
    file.remove_directories(missing)
    assert not (tmp_path / "a" / "b").exists()
    assert (tmp_path / "a" / "foreign").exists()


def test_only_lines_that_differ_are_shown_and_no_secret() -> None:
    before = "password = x\na\nb\npassword = y\n"
    assert differing(before, before.replace("b\n", "c\nd\n")) == ("b\n", "c\nd\n")
    assert differing(before, before + "e\n") == ("", "e\n")
    assert differing("-- a\n", "-- b\n") == ("-- a\n", "-- b\n")
    state = {"text": "PRIVATE", "mode": 0, "uid": 0, "gid": 0, "xattrs": {}}
    (item,) = change_items([Entry("file", "/k", None, state, secret=True)])
    assert (item["before"], item["after"]) == (None, "(not shown)\n")


def test_a_large_file_is_compared_in_no_time() -> None:
    large = "".join(f"0.0.0.0 host{number}.example.net\n" for number in range(100_000))
    assert differing(large, large + "192.0.2.11 n1\n") == ("", "192.0.2.11 n1\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "is damaged; remove it"),
        ('{"number": 1, "status": "done", "at": "", "entries": 3, "effects": []}', "is damaged"),
        ('{"number": 1, "status": "done", "at": "", "entries": [{}], "effects": []}', "is damaged"),
        ('{"number": 1, "status": "done", "at": "", "effects": [], "entries": '
         '[{"kind": "moon", "name": "x", "before": null, "after": null}]}', "moon is of a newer"),
    ],
)  # fmt: skip
def test_a_journal_that_cannot_be_read_is_named(text: str, said: str, tmp_path: Path) -> None:
    store = Store("fixes", tmp_path)
    store.write_text("000001.json", text)
    with pytest.raises(UnreadableError, match=f"000001.json: {said}"):
        journals(store)

"""The state directory and files that are whole at every moment."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from rules.files import write_atomic
from rules.state import DEFAULT_DIRECTORY, StateError, Store, state_directory


def test_where_it_is() -> None:
    assert str(state_directory({})) == DEFAULT_DIRECTORY
    assert str(state_directory({"NODEPREP_STATE_DIR": "/run/x"})) == "/run/x"
    assert state_directory({"NODEPREP_STATE_DIR": "x"}).is_absolute()


def test_a_document_comes_back_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    store = Store("firewall", tmp_path / "state")
    assert store.read("a.json") is None
    assert not store.root.exists()
    store.write("a.json", {"b": [1, "ü"]})
    assert store.read("a.json") == {"version": 1, "b": [1, "ü"]}
    for path, mode in ((store.root, 0o700), (store.path, 0o700), (store.path / "a.json", 0o600)):
        assert path.stat().st_mode & 0o777 == mode
    assert store.remove("a.json")
    assert not store.remove("a.json")


def test_names_are_those_of_the_subject(tmp_path: Path) -> None:
    store = Store("fixes", tmp_path)
    assert store.names() == ()
    store.write("b.json", {})
    store.write("a.json", {})
    assert store.names() == ("a.json", "b.json")


def test_the_same_text_is_not_written_again(tmp_path: Path) -> None:
    store = Store("firewall", tmp_path)
    path = store.write_text("boot/a", "text")
    before = path.stat()
    after = store.write_text("boot/a", "text").stat()
    # Not the whole result: comparing the texts reads the file, which may move its access time.
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert store.write_text("boot/a", "other").stat().st_ino != before.st_ino


@pytest.mark.parametrize("text", ["{", "[]", '"a"', "\x00", '{"version": 2}'])
def test_damaged_and_newer_documents_are_one_clear_error(tmp_path: Path, text: str) -> None:
    store = Store("firewall", tmp_path)
    store.write_text("a.json", text)
    with pytest.raises(StateError, match=r"a\.json: is (damaged; remove it|of a newer nodeprep)"):
        store.read("a.json")


def test_a_place_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be made"):
        Store("firewall", tmp_path / "file").write("a.json", {})


def test_one_at_a_time(tmp_path: Path) -> None:
    store, other = Store("firewall", tmp_path), Store("firewall", tmp_path)
    with store.lock(), pytest.raises(StateError, match="another nodeprep"), other.lock(timeout_s=0):
        pass
    with other.lock(timeout_s=0):
        released = threading.Event()
        taken = []

        def wait() -> None:
            with store.lock(timeout_s=5):
                taken.append(released.is_set())

        waiting = threading.Thread(target=wait)
        waiting.start()
        released.set()
    waiting.join()
    assert taken == [True]


def test_written_by_rename(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with path.open() as reader:
        write_atomic(path, "new", mode=0o640)
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match=r"Is a directory|not a directory|exists"):
        write_atomic(tmp_path / "a", "text")
    assert os.listdir(tmp_path) == ["a"]
    with pytest.raises(OSError, match="No such file"):
        write_atomic(tmp_path / "b" / "c", "text")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_directory_that_another_user_could_change_is_refused(tmp_path: Path) -> None:
    store = Store("firewall", tmp_path / "state")
    store.write("a.json", {})
    for place in (store.root, store.path):
        os.chown(place, 1000, -1)
        with pytest.raises(StateError, match="user 1000"):
            store.write("b.json", {})
        os.chown(place, 0, -1)
        place.chmod(0o770)
        with pytest.raises(StateError, match=f"chmod go-w {place}"):
            store.write("b.json", {})
        place.chmod(0o700)
    assert [path.name for path in store.path.iterdir()] == ["a.json"]

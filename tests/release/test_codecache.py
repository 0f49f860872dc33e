"""The cache of compiled code: whose directory is trusted, and what damage costs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onefile import codecache
from tests.kernel import require_kernel

BUILD = "f" * 64
NOBODY = 65534
FRESH = {
    "one": (True, compile("a = 1", "one", "exec")),
    "two": (False, compile("b", "two", "exec")),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setenv(codecache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def known() -> set[str] | None:
    """The modules of a new run's cache; None where it has no directory."""
    cache = codecache.opened(BUILD)
    if cache is None:
        return None
    os.close(cache.directory)
    return set(cache.known)


def filled(place: Path) -> Path:
    """The one file of a cache in which two modules are."""
    cache = codecache.opened(BUILD)
    assert cache is not None
    cache.save(FRESH)
    (code,) = place.iterdir()
    assert known() == {"one", "two"}
    return code


def test_it_is_for_its_owner_alone_and_adds_up(place: Path) -> None:
    code = filled(place)
    assert (code.stat().st_mode & 0o777, place.stat().st_mode & 0o777) == (0o600, 0o700)
    cache = codecache.opened(BUILD)
    assert cache is not None
    cache.save({"three": FRESH["one"]})
    assert known() == {"one", "two", "three"}
    assert codecache.opened("e" * 64).known == {}  # type: ignore[union-attr]


HOSTILE: dict[str, tuple[Callable[[Path, Path], Any], set[str] | None]] = {
    "the directory is another user's": (lambda d, f: os.chown(d, NOBODY, NOBODY), None),
    "the directory's group may write": (lambda d, f: d.chmod(0o770), None),
    "all may write to the directory": (lambda d, f: d.chmod(0o1777), None),
    "the directory is a link": (lambda d, f: linked(d), None),
    "the directory is a file": (lambda d, f: d.rename(d.parent / "x") and d.write_text(""), None),
    "the file is another user's": (lambda d, f: os.chown(f, NOBODY, NOBODY), set()),
    "the file's group may write": (lambda d, f: f.chmod(0o660), set()),
    "all may write to the file": (lambda d, f: f.chmod(0o602), set()),
    "the file is a link": (lambda d, f: linked(f), set()),
    "the file is a pipe": (lambda d, f: replaced(f, os.mkfifo), set()),
    "the file is a directory": (lambda d, f: replaced(f, os.mkdir), set()),
    "the file is endless": (lambda d, f: os.truncate(f, codecache.LIMIT_BYTES + 1), set()),
    "the file is torn": (lambda d, f: os.truncate(f, f.stat().st_size // 2), set()),
    "the file is empty": (lambda d, f: os.truncate(f, 0), set()),
    "one bit is another": (lambda d, f: f.write_bytes(flipped(f.read_bytes())), set()),
    "it is another build's": (lambda d, f: f.write_bytes(renamed(f.read_bytes())), set()),
}


def replaced(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def flipped(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 4]) + data[-8:]


def renamed(data: bytes) -> bytes:
    return data.replace(BUILD[:32].encode(), b"e" * 32)


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_run_that_somebody_else_may_have_written(name: str, place: Path) -> None:
    if os.geteuid() != 0:
        require_kernel()
    code = filled(place)
    seed, expected = HOSTILE[name]
    seed(place, code)
    assert known() == expected


def test_a_link_is_not_written_through(place: Path, tmp_path: Path) -> None:
    code = filled(place)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    code.unlink()
    code.symlink_to(victim)
    (place / f".{os.getpid()}{codecache.SUFFIX}").symlink_to(victim)
    cache = codecache.opened(BUILD)
    assert cache is not None
    cache.save(FRESH)
    assert victim.read_text() == "precious"


def test_a_forked_child_saves_nothing(place: Path) -> None:
    cache = codecache.opened(BUILD)
    assert cache is not None
    cache.process -= 1
    cache.save(FRESH)
    assert list(place.iterdir()) == []


def test_old_builds_do_not_pile_up(place: Path) -> None:
    place.mkdir(mode=0o700)
    then = time.time() - 3600
    for number in range(12):
        (place / f"{number}.code").write_bytes(b"old")
        os.utime(place / f"{number}.code", (then + number, then + number))
    (place / "foreign").write_text("not ours")
    cache = codecache.opened(BUILD)
    assert cache is not None
    cache.save(FRESH)
    kept = {path.name for path in place.iterdir()} - {cache.name}
    assert kept == {"foreign", *(f"{number}.code" for number in range(5, 12))}


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"HOME": "/home/other"}, codecache.ROOT_PLACE),
        ({"HOME": "/h", codecache.VARIABLE: ""}, ""),
        ({"HOME": "/h", codecache.VARIABLE: "relative"}, ""),
        ({"HOME": "/h", codecache.VARIABLE: "/c"}, "/c"),
    ],
)
def test_roots_is_not_in_a_home(
    variables: dict[str, str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", variables)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert codecache.location() == place


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"HOME": "/home/me"}, "/home/me/.cache/nodeprep"),
        ({"HOME": "/home/me", "XDG_CACHE_HOME": "/x"}, "/x/nodeprep"),
        ({"HOME": "."}, ""),
    ],
)
def test_a_users_is_where_caches_are(
    variables: dict[str, str], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", variables)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert codecache.location() == place
    # Somebody else's rights: nobody's cache.
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert codecache.location() == ""

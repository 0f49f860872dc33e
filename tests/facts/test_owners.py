from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from preflight.facts.owners import find_owners
from preflight.facts.system import FIRST_PID_NAMESPACE


def make(proc: Path, pid: int | str, net: str, *links: str) -> None:
    (proc / str(pid) / "ns").mkdir(parents=True)
    (proc / str(pid) / "fd").mkdir()
    (proc / str(pid) / "ns" / "net").symlink_to(net)
    (proc / str(pid) / "ns" / "pid").symlink_to(FIRST_PID_NAMESPACE)
    for number, link in enumerate(links):
        (proc / str(pid) / "fd" / str(number)).symlink_to(link)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    make(tmp_path, "self", "net:[1]")
    make(tmp_path, 1, "net:[1]", "/dev/null", "socket:[10]", "socket:[11]")
    make(tmp_path, 2, "net:[1]")
    make(tmp_path, 300, "net:[1]", "pipe:[9]", "socket:[11]")
    make(tmp_path, 400, "net:[1]", "socket:[11]", "socket:[12]")
    make(tmp_path, 50, "net:[2]", "socket:[13]")
    (tmp_path / "uptime").write_text("1 1\n")
    return tmp_path


def test_who_holds_which_socket(proc: Path) -> None:
    found = find_owners({10, 11, 12, 13, 99}, proc=str(proc))
    # 11: nginx's first process rather than a later one, and either rather than systemd. 13: a
    # process that went to another network namespace with it. 99: the kernel's own.
    assert found.pids == {10: 1, 11: 300, 12: 400, 13: 50}
    assert found.complete


def test_it_ends_as_soon_as_all_are_found(proc: Path) -> None:
    (proc / "400" / "fd").rename(proc / "400" / "elsewhere")
    assert find_owners({11}, proc=str(proc)).pids == {11: 300}
    assert find_owners((), proc=str(proc)).complete


def test_in_a_pid_namespace_the_kernel_is_not_blamed(proc: Path) -> None:
    link = proc / "self" / "ns" / "pid"
    link.unlink()
    link.symlink_to("pid:[4026532999]")
    found = find_owners({11, 99}, proc=str(proc))
    assert found.pids == {11: 300}
    assert not found.complete


def test_without_proc(tmp_path: Path) -> None:
    found = find_owners({5}, proc=str(tmp_path / "nowhere"))
    assert (found.pids, found.complete) == ({}, False)


def test_of_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        inode = os.fstat(own.fileno()).st_ino
        assert find_owners({inode}).pids == {inode: os.getpid()}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_root_another_users_socket_has_no_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        inode = os.fstat(own.fileno()).st_ino
        script = (
            "from preflight.facts.owners import find_owners; import os; os.setuid(65534)\n"
            f"print(find_owners({{{inode}}}))"
        )
        said = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
    assert said.stdout == "Owners(pids={}, complete=False)\n"

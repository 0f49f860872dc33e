from __future__ import annotations

import os
from pathlib import Path

import pytest

from preflight.facts.model import Unknown
from preflight.facts.procs import (
    command_of,
    in_own_network,
    parent_of,
    parse_cgroup_unit,
    process_names,
    unit_of,
)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("0::/system.slice/kubelet.service\n", "kubelet.service"),
        ("0::/init.scope\n", "init.scope"),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"),
        # A user's own unit is not one that the administrator can stop with systemctl.
        (
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service\n",
            "user@1000.service",
        ),
        (
            "0::/system.slice/docker-0123abc.scope/kubelet.slice/kubelet.service\n",
            "docker-0123abc.scope",
        ),
        ("0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"),
        ("0::/../../system.slice/etcd.service\n", "etcd.service"),
        # CentOS 7, Debian 10: v1 hierarchies; the last line is v2's, empty on a hybrid host.
        (
            "12:cpuset:/\n5:memory:/system.slice/crio.service\n"
            "1:name=systemd:/system.slice/crio.service\n0::/\n",
            "crio.service",
        ),
        ("4:memory:/docker/0123abc\n1:name=systemd:/docker/0123abc\n", ""),
        ("0::/\n", ""),
        ("", ""),
        ("nonsense\n", ""),
    ],
)
def test_unit_of_a_cgroup(text: str, unit: str) -> None:
    assert parse_cgroup_unit(text) == unit


def make_process(
    proc: Path, pid: int, name: str, command: str = "", cgroup: str = "0::/\n"
) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cmdline").write_text(command.replace(" ", "\0"))
    (folder / "cgroup").write_text(cgroup)


def test_processes_of_a_proc_tree(tmp_path: Path) -> None:
    make_process(tmp_path, 1, "systemd")
    make_process(
        tmp_path, 77, "k3s-server", "/usr/local/bin/k3s server", "0::/system.slice/k3s.service\n"
    )
    (tmp_path / "self").mkdir()
    (tmp_path / "99").mkdir()  # ended while it was read
    assert process_names(proc=str(tmp_path)) == {1: "systemd", 77: "k3s-server"}
    assert unit_of(77, proc=str(tmp_path)) == "k3s.service"
    assert command_of(77, proc=str(tmp_path)) == "/usr/local/bin/k3s server"
    assert unit_of(99, proc=str(tmp_path)) == ""


def test_hidden_processes_are_unknown(tmp_path: Path) -> None:
    make_process(tmp_path, 4242, "python3")
    hidden = process_names(proc=str(tmp_path))
    assert isinstance(hidden, Unknown)
    assert hidden.reason == "denied"


def test_no_process_at_all_is_no_proc(tmp_path: Path) -> None:
    nothing = process_names(proc=str(tmp_path))
    assert isinstance(nothing, Unknown)
    assert nothing.reason == "absent"


def test_this_machine() -> None:
    names = process_names()
    assert isinstance(names, dict)
    assert os.getpid() in names
    assert in_own_network(os.getpid()) is True
    assert in_own_network(2**22 + 1) is None
    assert parent_of(os.getpid()) == os.getppid()
    assert parent_of(2**22 + 1) is None

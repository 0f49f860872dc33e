"""Undo: run by run, foreign edits, services that do not come back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from preflight.fixes.ownfile import SYSCTL_FILE
from tests.fixes.lab import Node, differences
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
FORWARD = ("--only", "ip-forward")
INOTIFY = ("--only", "inotify-limits")
SEED = """
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 100 > /proc/sys/fs/inotify/max_user_watches
"""
_CRI = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc'
CONTAINERD = f"""
mkdir -p /etc/containerd /run/fails
printf '%s\\n' 'version = 2' '[{_CRI}]' 'runtime_type = "io.containerd.runc.v2"' \\
    '[{_CRI}.options]' 'SystemdCgroup = false' > /etc/containerd/config.toml
touch /run/fails/containerd.service
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    require_kernel()
    made = Node(tmp_path, SEED)
    yield made
    made.close()


def test_runs_are_undone_one_after_the_other(node: Node) -> None:
    clean = node.snapshot()
    node.fix(*FORWARD)
    one = node.snapshot()
    node.fix(*INOTIFY)
    two = node.snapshot()
    text = node.read(SYSCTL_FILE)
    assert "# ip-forward\nnet.ipv4.ip_forward = 1\n" in text
    assert "# inotify-limits\n" in text
    assert "\nfs.inotify.max_user_watches = 65536\n" in text
    planned = node.undo("--dry-run")
    assert (planned["changed"], planned["remaining"]) == (True, 1)
    assert not differences(two, node.snapshot())
    assert node.undo()["changes"] == planned["changes"]
    assert not differences(one, node.snapshot())
    assert node.undo()["remaining"] == 0
    assert not differences(clean, node.snapshot())
    assert node.undo() == {**node.undo(), "changed": False, "run": None}


def test_a_foreign_edit_is_seen_and_kept(node: Node) -> None:
    clean = node.snapshot()
    node.fix(*FORWARD)
    node.shell(f"echo 'net.ipv4.ip_forward = 0' >> {SYSCTL_FILE}")
    edited = node.read(SYSCTL_FILE)
    refused = node.undo(code=1)
    assert [each["object"] for each in refused["problems"]] == [SYSCTL_FILE]
    assert node.read(SYSCTL_FILE) == edited
    assert node.read("/proc/sys/net/ipv4/ip_forward") == "1\n"
    half = node.fix(*INOTIFY, code=1)
    assert [each["object"] for each in half["problems"]] == [SYSCTL_FILE]
    assert node.read(SYSCTL_FILE) == edited
    done = node.fix(*INOTIFY, "--force", code=None)
    assert done["problems"] == []
    assert "max_user_watches" in node.read(SYSCTL_FILE) or not done["changed"]
    while node.undo("--force")["remaining"]:
        pass
    assert not differences(clean, node.snapshot())


def test_a_service_that_does_not_come_back_gets_its_old_file(node: Node) -> None:
    node.shell(CONTAINERD)
    clean = node.snapshot()
    done = node.fix("--only", "cri-cgroup-driver", code=1)
    (problem,) = done["problems"]
    assert problem["object"] == "systemctl restart containerd.service"
    assert "its files are as before" in problem["message"]
    assert not differences(clean, node.snapshot())
    assert node.effects() == ["restart containerd.service"] * 2
    assert node.undo()["changed"] is False


def test_a_file_of_ours_that_somebody_else_made_first_is_not_written_over(node: Node) -> None:
    node.write(SYSCTL_FILE, "net.ipv4.conf.all.log_martians = 1\n")
    done = node.fix(*FORWARD, code=1)
    assert [each["object"] for each in done["problems"]] == [SYSCTL_FILE]
    assert node.read(SYSCTL_FILE) == "net.ipv4.conf.all.log_martians = 1\n"
    assert node.read("/proc/sys/net/ipv4/ip_forward") == "1\n"
    node.undo()
    assert node.read("/proc/sys/net/ipv4/ip_forward") == "0\n"


def test_a_device_in_the_place_of_a_file_is_left_alone(node: Node) -> None:
    node.shell(f"ln -s /dev/null {SYSCTL_FILE}")
    done = node.fix(*FORWARD, code=1)
    assert "not a regular file" in done["problems"][0]["message"]


def test_what_could_not_be_undone_can_be_undone_later(node: Node) -> None:
    clean = node.snapshot()
    node.fix(*FORWARD)
    # Nobody can remove what something is mounted on.
    node.shell(f"mount --bind {SYSCTL_FILE} {SYSCTL_FILE}")
    half = node.undo(code=1)
    assert [each["object"] for each in half["problems"]] == [SYSCTL_FILE]
    assert "something is mounted on it" in half["problems"][0]["message"]
    assert node.read("/proc/sys/net/ipv4/ip_forward") == "0\n"
    assert half["remaining"] == 1
    node.shell(f"umount {SYSCTL_FILE}")
    assert node.undo()["remaining"] == 0
    assert not differences(clean, node.snapshot())


def test_swap_that_does_not_come_on_can_be_undone_later(node: Node) -> None:
    node.shell("printf '/swap.img file 1024 0 7\\n' >> /run/swaps")
    clean = node.snapshot()
    node.fix("--only", "swap-off,ip-forward")
    node.shell("sed -i '2i echo no memory >&2; exit 1' /run/bin/swapon")
    half = node.undo(code=1)
    assert [each["object"] for each in half["problems"]] == ["swap /swap.img"]
    assert "no memory" in half["problems"][0]["message"]
    assert half["remaining"] == 1
    node.shell("sed -i 2d /run/bin/swapon")
    last = node.undo()
    assert [each["object"] for each in last["changes"]] == ["swap /swap.img"]
    assert last["remaining"] == 0
    assert not differences(clean, node.snapshot())


def test_old_files_that_cannot_come_back_are_told_and_undone_later(node: Node) -> None:
    node.shell(CONTAINERD)
    clean = node.snapshot()
    # A service that mounts its file, and then fails.
    place = "/etc/containerd/config.toml"
    node.shell(
        f"sed -i '2i [ \"$1\" != restart ] || mount --bind {place} {place}' /run/bin/systemctl"
    )
    done = node.fix("--only", "cri-cgroup-driver,inotify-limits", code=1)
    assert [each["object"] for each in done["problems"]] == [
        "systemctl restart containerd.service",
        place,
    ]
    assert "not all of its files are as before" in done["problems"][0]["message"]
    node.shell(f"sed -i 2d /run/bin/systemctl; rm -r /run/fails; while umount {place}; do :; done")
    assert node.undo()["problems"] == []
    assert not differences(clean, node.snapshot())


def test_what_is_no_file_any_more_is_somebody_s_edit(node: Node) -> None:
    node.shell("printf '192.0.2.99 lab-node\\n' > /etc/hosts")
    clean = node.snapshot()
    node.fix("--only", "hostname-resolves")
    node.shell("rm /etc/hosts; mkfifo /etc/hosts")
    refused = node.undo(code=1)
    assert [each["object"] for each in refused["problems"]] == ["/etc/hosts"]
    assert node.undo("--force")["problems"] == []
    assert not differences(clean, node.snapshot())


def test_without_root_it_says_so_and_a_dry_run_works(node: Node) -> None:
    # The interpreter may live where nobody may not look: so it is all loaded, and then dropped.
    code = (
        "import io, os, sys; from contextlib import redirect_stdout\n"
        "from preflight.cli.main import run\n"
        f"arguments = {['fix', '--role', 'master', '--offline', *FORWARD]}\n"
        "with redirect_stdout(io.StringIO()): run([*arguments, '--dry-run'])\n"
        "os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)\n"
        "sys.exit(run([*arguments, *sys.argv[1:]]))"
    )
    clean = node.snapshot()
    expected = {"--dry-run": (0, "net.ipv4.ip_forward: 0 -> 1"), "--diff": (1, "run it as root")}
    for flag, (code_wanted, words) in expected.items():
        env = {"NODEPREP_STATE_DIR": "/run/none"}
        process = node.start(sys.executable, "-c", code, flag, env=env)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code_wanted, err
        assert words in out + err
    assert not differences(clean, node.snapshot())


def test_what_is_named_is_left_as_it_is(node: Node) -> None:
    clean = node.snapshot()
    of = ("--only", "ip-forward,inotify-limits")
    done = node.fix(*of, "--skip", "ip-forward", "--ignore", "inotify-limits")
    assert (done["changed"], done["problems"]) == (False, [])
    found = {each["id"]: (each["status"], each["ignored"]) for each in done["check"]["findings"]}
    assert "ip-forward" not in found or found["ip-forward"][0] == "skip"
    assert found["inotify-limits"] in {("warn", True), ("fail", True)}
    assert not differences(clean, node.snapshot())

"""Machines that nobody keeps tidy: each fix mends, once, harms nothing else, and is undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from preflight.fixes.ownfile import SYSCTL_FILE
from tests.fixes.cases import SWAP_GENERATOR
from tests.fixes.lab import Node, differences
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
CLOSED = "echo 0 > /proc/sys/net/ipv4/ip_forward\n"
# As `setfacl -d -m u:4:rw` makes it: who makes a file here gives user 4 the right to write it.
DEFAULT_ACL = r"""
python3 - <<'END'
import os, struct
entries = [(1, 6, -1), (2, 6, 4), (4, 4, -1), (16, 6, -1), (32, 4, -1)]
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
for directory in ("/etc", "/etc/sysctl.d"):
    os.setxattr(directory, "system.posix_acl_default", acl)
END
"""


LATE = "/etc/sysctl.d/zz.conf"
ZRAM = "/etc/systemd/zram-generator.conf"
CONTAINERD = "/etc/containerd/config.toml"
FILES = {
    "/etc/sysctl.d/10-site.conf": "fs.inotify.max_user_watches = 1048576\n"
    "net.ipv4.ip_local_reserved_ports = 9999\n",
    LATE: "net.ipv4.conf.all.forwarding = 0\n-net/ipv4/ip_forward = 0\n"
    "-net.bridge.bridge-nf-call-iptables\n-net.ipv4.tcp_*\n"
    "fs.inotify.max_user_instances = 8192\n",
    ZRAM: "[zram0]\nzram-size = ram / 2\n# of the site\n[zram1]\nmount-point = /var/tmp\n"
    "[zram2]\nzram-size = 64\n",
    f"{ZRAM}.d/off.conf": "[zram2]\nzram-size = 0\n",
    CONTAINERD: 'version = 2\r\n["\\U0001F600"]\r\nx = "[plugins]"\r\n'
    '[ plugins . "io.containerd.grpc.v1.cri" . containerd . runtimes . runc ]\r\n'
    'runtime_type = "io.containerd.runc.v2"\r\n'
    '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\r\n'
    "  SystemdCgroup   = false # as it came\r\n",
}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Node]]:
    require_kernel()
    made: list[Node] = []

    def start(seed: str) -> Node:
        made.append(Node(tmp_path, seed))
        return made[-1]

    yield start
    for node in made:
        node.close()


class Trial:
    """A run of fix that is mended by one run, is left alone by the next, and is undone."""

    def __init__(self, node: Node, *arguments: str) -> None:
        self.node, self.arguments = node, arguments
        self.clean = node.snapshot()
        planned = node.fix("--dry-run", *arguments)
        assert not differences(self.clean, node.snapshot()), "the dry run wrote something"
        self.done: dict[str, Any] = node.fix(*arguments, code=None)
        assert self.done["changes"] == planned["changes"]
        self.mended = node.snapshot()

    def ready(self) -> Trial:
        """Nothing is left to do, and a second run finds nothing."""
        assert (self.done["verdict"], self.done["problems"]) == ("ready", []), self.done
        again = self.node.fix(*self.arguments)
        assert (again["changed"], again["changes"]) == (False, [])
        assert not differences(self.mended, self.node.snapshot()), "the second run wrote something"
        return self

    def undone(self) -> None:
        """Undo leaves no trace."""
        assert self.node.undo()["problems"] == []
        assert not differences(self.clean, self.node.snapshot())


def test_files_that_others_keep_in_their_own_ways(make: Callable[[str], Node]) -> None:
    node = make(
        CLOSED + SWAP_GENERATOR + "echo 100 > /proc/sys/fs/inotify/max_user_watches\n"
        "echo 10 > /proc/sys/fs/inotify/max_user_instances\n"
        "echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables\n"
        "echo 30000 40000 > /proc/sys/net/ipv4/ip_local_port_range\n"
        "echo 4242 > /proc/sys/net/ipv4/ip_local_reserved_ports\n"
        "printf '192.0.2.99 lab-node\\n' > /etc/hosts\n"
        "chmod 644 /etc/hosts; touch -d 2020-01-01 /etc/hosts; mkdir -p /etc/containerd"
    )
    for path, text in FILES.items():
        node.write(path, text)
    node.shell(DEFAULT_ACL)
    checks = "ip-forward,inotify-limits,persistent-sysctl,persistent-swap,bridge-nf-call"
    checks += ",nodeport-ephemeral-clash"
    trial = Trial(node, "--only", f"{checks},hostname-resolves,cri-cgroup-driver").ready()

    # A default ACL gives a file that was there no new right, and the time says that it changed.
    (_, _, _, _, old, attributes), (_, _, _, _, new, now) = (
        each["/etc/hosts"] for each in (trial.clean, trial.mended)
    )
    assert attributes == now == {}
    assert new > old + 10**9
    # What is new has what its directory gives: that is nobody's edit.
    assert "system.posix_acl_access" in trial.mended[SYSCTL_FILE][-1]
    # Both ways to one setting are out of the way; what the boot would raise further is not lowered.
    assert node.read(LATE).splitlines() == [
        "# nodeprep ip-forward: net.ipv4.conf.all.forwarding = 0",
        "# nodeprep ip-forward: -net/ipv4/ip_forward = 0",
        "# nodeprep bridge-nf-call: -net.bridge.bridge-nf-call-iptables",
        "-net.ipv4.tcp_*",
        "fs.inotify.max_user_instances = 8192",
    ]
    assert node.read("/proc/sys/fs/inotify/max_user_watches") == "1048576\n"
    assert "fs.inotify.max_user_watches = 1048576\n" in node.read(SYSCTL_FILE)
    reserved = "net.ipv4.ip_local_reserved_ports = 4242,9999,30000-32767\n"
    assert reserved in node.read(SYSCTL_FILE)
    # Compressed memory that is no swap stays.
    assert node.read(ZRAM).splitlines() == [
        "# nodeprep persistent-swap: [zram0]",
        "# nodeprep persistent-swap: zram-size = ram / 2",
        *("# of the site", "[zram1]", "mount-point = /var/tmp", "[zram2]", "zram-size = 64"),
    ]
    (change,) = [each for each in trial.done["changes"] if each["object"] == CONTAINERD]
    assert change["after"] == "  SystemdCgroup   = true # as it came\n"
    trial.undone()


def test_a_read_only_etc_is_a_problem_of_its_files_only(make: Callable[[str], Node]) -> None:
    node = make(CLOSED + "mount -o remount,ro,bind /etc")
    trial = Trial(node, "--only", "ip-forward")
    (problem,) = trial.done["problems"]
    assert problem["message"] == f"{SYSCTL_FILE}: cannot be written: Read-only file system"
    assert node.read("/proc/sys/net/ipv4/ip_forward") == "1\n"
    trial.undone()


def test_a_link_to_the_machine_id_is_no_new_one(make: Callable[[str], Node]) -> None:
    node = make(
        "mkdir -p /var/lib/dbus; rm -f /var/lib/dbus/machine-id\n"
        "printf '00000000000000000000000000000007\\n' > /var/lib/dbus/machine-id"
    )
    trial = Trial(node, "--only", "machine-id-unique").ready()
    asked = ("--only", "machine-id-unique", "--regenerate-machine-id")
    assert [each["object"] for each in node.fix(*asked)["changes"]] == ["/etc/machine-id"]
    assert node.fix(*asked)["changed"] is False
    node.undo()
    trial.undone()

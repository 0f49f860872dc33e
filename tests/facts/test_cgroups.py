from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from preflight.facts.cgroups import parse_mounts, parse_proc_cgroups, read_cgroups, v1_controllers
from preflight.facts.features import read_features
from preflight.facts.model import Unknown
from preflight.facts.model.kernel import Cgroups
from tests.facts.tree import Tree, denied
from tests.kernel import require_kernel

# Debian 12, Ubuntu 24.04, RHEL 9: version 2 alone.
UNIFIED = """sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0
"""
# RHEL 8 and CentOS 7: version 1.
LEGACY = """tmpfs /sys/fs/cgroup tmpfs ro,nosuid,nodev,noexec,mode=755 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,nosuid,xattr,release_agent=/x,name=systemd 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,nosuid,nodev,noexec,relatime,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,nosuid,nodev,noexec,relatime,pids 0 0
"""
HYBRID = f"{LEGACY}cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid,nsdelegate 0 0\n"
TABLE = """#subsys_name	hierarchy	num_cgroups	enabled
cpuset	0	1	1
cpu	2	64	1
cpuacct	2	64	1
memory	3	64	1
pids	4	64	1
hugetlb	0	1	1
"""
# Raspberry Pi OS: the firmware puts cgroup_disable=memory on the command line.
RASPBERRY = TABLE.replace("memory	3	64	1", "memory	0	64	0")


def test_parsers() -> None:
    assert parse_mounts(UNIFIED)[-1][:2] == ("/sys/fs/cgroup", "cgroup2")
    assert {"cpu", "cpuacct", "memory", "pids"} <= v1_controllers(parse_mounts(LEGACY))
    assert parse_proc_cgroups(RASPBERRY)["memory"] is False


def test_version_2_with_a_group_that_can_freeze() -> None:
    tree = Tree(
        {
            "/proc/self/mounts": UNIFIED,
            "/proc/cgroups": TABLE,
            "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
            "/sys/fs/cgroup/system.slice/cgroup.procs": "",
            "/sys/fs/cgroup/system.slice/cgroup.freeze": "0\n",
        }
    )
    found = read_cgroups(tree)
    assert isinstance(found, Cgroups)
    assert (found.version, found.hybrid) == (2, False)
    assert {"cpu", "cpuset", "freezer", "memory", "pids"} <= set(found.controllers)


def test_version_2_whose_groups_cannot_freeze() -> None:
    tree = Tree(
        {
            "/proc/self/mounts": UNIFIED,
            "/sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
            "/sys/fs/cgroup/system.slice/cgroup.procs": "",
        }
    )
    found = read_cgroups(tree)
    assert isinstance(found, Cgroups)
    assert "freezer" not in found.controllers


def test_version_1_needs_enabled_and_mounted() -> None:
    found = read_cgroups(Tree({"/proc/self/mounts": LEGACY, "/proc/cgroups": TABLE}))
    assert found == Cgroups(1, hybrid=False, controllers=("cpu", "cpuacct", "memory", "pids"))
    off = read_cgroups(Tree({"/proc/self/mounts": LEGACY, "/proc/cgroups": RASPBERRY}))
    assert isinstance(off, Cgroups)
    assert "memory" not in off.controllers
    assert off.disabled == ("memory",)


def test_hybrid_is_version_1_for_a_kubelet() -> None:
    found = read_cgroups(Tree({"/proc/self/mounts": HYBRID, "/proc/cgroups": TABLE}))
    assert isinstance(found, Cgroups)
    assert (found.version, found.hybrid) == (1, True)


def test_no_groups_are_unknown_with_the_reason() -> None:
    nothing = read_cgroups(Tree({"/proc/self/mounts": "proc /proc proc rw 0 0\n"}))
    assert isinstance(nothing, Unknown)
    assert nothing.reason == "absent"
    bare = "tmpfs /sys/fs/cgroup tmpfs ro 0 0\n"
    empty = read_cgroups(Tree({"/proc/self/mounts": bare}))
    assert isinstance(empty, Unknown)
    assert empty.reason == "failed"
    path = "/sys/fs/cgroup/cgroup.controllers"
    refused = read_cgroups(Tree({"/proc/self/mounts": UNIFIED, path: denied(path)}))
    assert isinstance(refused, Unknown)
    assert refused.reason == "denied"


def test_features_are_what_works() -> None:
    found = read_features(
        Tree(
            {
                "/proc/self/ns/net": "",
                "/proc/self/ns/uts": "",
                "/proc/self/ns/ipc": "",
                "/proc/cgroups": TABLE,
                "/sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
                "/sys/fs/cgroup/system.slice/cgroup.procs": "",
                "/sys/fs/cgroup/system.slice/cpu.weight": "100\n",
                "/proc/filesystems": "nodev\tproc\n\text4\n",
                "/proc/self/status": "Name:\tx\nSeccomp:\t0\n",
                "/proc/net/ip_tables_matches": "comment\nconntrack\n",
            }
        )
    )
    assert found["NET_NS"] is True
    assert found["PID_NS"] is False
    assert found["CGROUP_FREEZER"] is False
    assert found["MEMCG"] is True
    assert found["FAIR_GROUP_SCHED"] is True
    assert found["EXT4_FS"] is True
    assert found["SECCOMP"] is True
    assert found["NETFILTER_XT_MATCH_COMMENT"] is True
    # Not seen at work, which says nothing.
    assert "CFS_BANDWIDTH" not in found
    assert "NETFILTER_XT_TARGET_REDIRECT" not in found


def test_nothing_readable_tells_nothing() -> None:
    paths = ("/proc/self/ns", "/proc/cgroups", "/proc/self/status", "/proc/filesystems")
    assert read_features(Tree({path: denied(path) for path in paths})).get("CGROUPS") is None


@pytest.mark.kernel
def test_the_kernel_says_whether_it_knows_programs_of_groups(tmp_path: Path) -> None:
    require_kernel()
    # A version 2 tree of its own: hosts with version 1 have none at the root.
    place = tmp_path / "groups"
    place.mkdir()
    code = f"""
from preflight.facts.features import cgroup_bpf
print(cgroup_bpf({str(place)!r}), cgroup_bpf("/proc"), cgroup_bpf("/nowhere"))
"""
    script = f"mount -t cgroup2 none {place} && exec {sys.executable} -c {shlex.quote(code)}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # A directory that is no group has no answer, which is not a no.
    assert done.stdout.split()[1:] == ["None", "None"]
    assert done.stdout.split()[0] in ("True", "False")

from __future__ import annotations

import os
from pathlib import Path

import pytest

from preflight.facts import disks
from preflight.facts.disks import (
    measure_latency,
    mount_point_of,
    parse_mountinfo,
    parse_xfs_geometry,
    percentile,
    read_file_systems,
)
from preflight.facts.hardware import parse_memory_bytes
from preflight.facts.host import Host
from preflight.facts.model import Unknown
from preflight.facts.model.hardware import DiskLatency
from preflight.settings import EtcdSettings, Settings
from tests.facts.tree import Tree

# Rocky 9 on a cloud disk, with a container mount and a name that has a blank.
ROCKY = """22 1 253:0 / / rw,relatime shared:1 - xfs /dev/mapper/rl-root rw,seclabel,attr2,inode64
25 22 253:1 / /var rw,nosuid,nodev shared:2 - xfs /dev/mapper/rl-var rw,seclabel,noquota
30 22 0:28 / /tmp rw,nosuid shared:3 - tmpfs tmpfs rw,size=1024k
31 25 8:17 / /var/lib/my\\040disk ro,noexec - ext4 /dev/sdb1 rw
32 22 0:40 / /tmp rw - tmpfs over rw
"""


def test_mountinfo_joins_both_kinds_of_options_and_the_topmost_mount_counts() -> None:
    mounts = parse_mountinfo(ROCKY)
    assert mounts["/"][:2] == ("/dev/mapper/rl-root", "xfs")
    assert mounts["/var"][2][:3] == ("rw", "nosuid", "nodev")
    # Read-only mount of a writable file system.
    assert mounts["/var/lib/my disk"][2] == ("ro", "noexec", "rw")
    assert mounts["/tmp"][0] == "over"
    assert parse_mountinfo("nonsense\n") == {}


def test_mount_point() -> None:
    points = {"/", "/var", "/var/lib/etcd"}
    assert mount_point_of("/var/lib/etcd/member", points) == "/var/lib/etcd"
    assert mount_point_of("/var/lib/etcd2", points) == "/var"
    assert mount_point_of("/opt", points) == "/"


@pytest.mark.parametrize("ftype", [True, False])
def test_xfs_geometry(ftype: bool) -> None:
    # Flags of `xfs_info`: attr, attr2, v2 log, 32-bit project ids; ftype is bit 16.
    flags = 0x8 | 0x400 | 0x800 | (1 << 16 if ftype else 0)
    order = "little" if os.uname().machine in ("x86_64", "aarch64") else "big"
    data = bytes(92) + flags.to_bytes(4, order) + bytes(16)  # type: ignore[arg-type]
    assert parse_xfs_geometry(data) is ftype


def test_percentile() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 0.5) == 50.0
    assert percentile([7.0], 0.99) == 7.0


def test_memory() -> None:
    assert parse_memory_bytes("MemTotal:        1782576 kB\nMemFree: 1 kB\n") == 1782576 * 1024
    assert parse_memory_bytes("MemFree: 1 kB\n") is None


def test_file_systems_of_this_machine() -> None:
    found, silent = read_file_systems(Host(), Settings())
    assert not isinstance(found, Unknown)
    assert silent == {}
    assert {"/var/lib/etcd", "/var/lib/kubelet", "/opt/cni/bin"} <= {each.path for each in found}
    assert all(each.total_bytes > 0 and each.type for each in found)


def test_without_mountinfo_nothing_is_known() -> None:
    found, silent = read_file_systems(Tree({}), Settings())
    assert isinstance(found, Unknown)
    assert silent == {}


def test_a_dead_server_does_not_hide_the_other_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = os.path.exists

    def hangs(path: str) -> bool:
        if path == "/var/lib/etcd":
            import threading

            threading.Event().wait(5)
        return real(path)

    monkeypatch.setattr("os.path.exists", hangs)
    monkeypatch.setattr(disks, "_NETWORK_TIME_LIMIT_S", 0.05)
    lines = (
        "22 1 253:0 / / rw - ext4 /dev/vda rw\n"
        "23 22 0:50 / /var/lib/etcd rw - nfs4 192.0.2.5:/export rw\n"
    )
    found, silent = read_file_systems(Tree({"/proc/self/mountinfo": lines}), Settings())
    assert not isinstance(found, Unknown)
    assert "192.0.2.5:/export" in silent["/var/lib/etcd"]
    assert "/var/lib/kubelet" in {each.path for each in found}


def test_latency_leaves_nothing_behind(tmp_path: Path) -> None:
    found = measure_latency(str(tmp_path / "etcd" / "member"), writes=20)
    assert isinstance(found, DiskLatency)
    assert found.writes == 20
    assert 0 < found.p50_ms <= found.p99_ms
    assert list(tmp_path.iterdir()) == []


def test_latency_without_nameless_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuses(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return real(path, flags, mode)

    monkeypatch.setattr("os.open", refuses)
    found = measure_latency(str(tmp_path), writes=3)
    assert isinstance(found, DiskLatency)
    assert list(tmp_path.iterdir()) == []


def test_latency_is_bounded_in_time(tmp_path: Path) -> None:
    found = measure_latency(str(tmp_path), writes=10**9, time_limit_s=0.05)
    assert isinstance(found, DiskLatency)
    assert found.writes > 0


def test_a_directory_of_its_own_is_among_the_paths() -> None:
    settings = Settings(etcd=EtcdSettings(data_dir="/data/etcd"))
    assert disks.paths(settings)[0] == "/data/etcd"

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.cni import Plugin
from preflight.facts.model.hardware import DiskLatency
from preflight.finding import Finding, Status
from preflight.settings import Settings
from rules.cluster import Cluster, Role
from tests.nodes import hardware, healthy, judge, target

GIB = 1024**3
MIB = 1024**2


def on(path: str, **values: Any) -> Facts:
    """The healthy node with another file system below one path."""
    systems = tuple(
        replace(system, mount_point=path, **values) if system.path == path else system
        for system in known(hardware.healthy().file_systems)
    )
    return replace(healthy(), hardware=replace(hardware.healthy(), file_systems=systems))


def of(findings: list[Finding], subject: str) -> Finding:
    return next(finding for finding in findings if finding.subject == subject)


@pytest.mark.parametrize(
    ("path", "total", "free", "status"),
    [
        # kubelet: 500 MiB and 10 %.
        ("/var/lib/kubelet", 600 * MIB, 499 * MIB, Status.WARN),
        ("/var/lib/kubelet", 600 * MIB, 500 * MIB, Status.PASS),
        ("/var/lib/kubelet", 100 * GIB, 10 * GIB - 1, Status.WARN),
        ("/var/lib/kubelet", 100 * GIB, 10 * GIB, Status.PASS),
        # images: 1300 MiB and 15 %.
        ("/var/lib/containerd", 2 * GIB, 1299 * MIB, Status.WARN),
        ("/var/lib/containerd", 2 * GIB, 1300 * MIB, Status.PASS),
        ("/var/lib/containerd", 100 * GIB, 15 * GIB - 1, Status.WARN),
        ("/var/lib/containerd", 100 * GIB, 15 * GIB, Status.PASS),
        # etcd: its quota of 2 GiB; a share does not matter.
        ("/var/lib/etcd", 100 * GIB, 2047 * MIB, Status.WARN),
        ("/var/lib/etcd", 100 * GIB, 2048 * MIB, Status.PASS),
        ("/var/log", 100 * GIB, 999 * MIB, Status.WARN),
        ("/var/log", 100 * GIB, 1000 * MIB, Status.PASS),
    ],
)
def test_room(path: str, total: int, free: int, status: Status) -> None:
    found = judge("disk-space", on(path, total_bytes=total, available_bytes=free))
    assert of(found, path).status is status
    assert of(found, "/").status is Status.PASS


def test_paths_on_one_disk_share_it() -> None:
    systems = tuple(
        replace(system, total_bytes=10 * GIB, available_bytes=4 * GIB)
        for system in known(hardware.healthy().file_systems)
    )
    facts = replace(healthy(), hardware=replace(hardware.healthy(), file_systems=systems))
    # 500 + 1300 + 1000 MiB fit into 4 GiB, with etcd's 2048 they do not.
    (worker,) = judge("disk-space", facts, target(Role.WORKER))
    (master,) = judge("disk-space", facts, target(Role.MASTER))
    assert worker.status is Status.PASS
    assert master.status is Status.WARN
    assert "/var/lib/etcd" in master.message


@pytest.mark.parametrize(
    ("free", "total", "status"),
    [(49, 1000, Status.WARN), (50, 1000, Status.PASS), (0, 0, Status.PASS)],
)
def test_inodes(free: int, total: int, status: Status) -> None:
    facts = on("/var/lib/kubelet", total_inodes=total, available_inodes=free)
    assert of(judge("disk-space", facts), "/var/lib/kubelet").status is status


def test_a_silent_server_is_one_unknown_beside_the_others() -> None:
    systems = tuple(
        system
        for system in known(hardware.healthy().file_systems)
        if system.path != "/var/lib/etcd"
    )
    silent = {"/var/lib/etcd": "192.0.2.5:/export does not answer"}
    changed = replace(hardware.healthy(), file_systems=systems, file_systems_unknown=silent)
    facts = replace(healthy(), hardware=changed)
    assert of(judge("disk-space", facts), "/var/lib/etcd").status is Status.UNKNOWN
    assert of(judge("disk-space", facts), "/").status is Status.PASS
    types = judge("filesystem-type", facts)
    assert of(types, "/var/lib/etcd").status is Status.UNKNOWN
    assert of(types, "/var/lib/containerd").status is Status.PASS


@pytest.mark.parametrize(
    ("kind", "ftype", "status"),
    [
        ("ext4", None, Status.PASS),
        ("btrfs", None, Status.PASS),
        ("tmpfs", None, Status.PASS),
        ("xfs", True, Status.PASS),
        ("xfs", False, Status.FAIL),
        ("xfs", Unknown("denied", "/var/lib may not be read"), Status.UNKNOWN),
        ("overlay", None, Status.FAIL),
        ("nfs4", None, Status.FAIL),
        ("9p", None, Status.FAIL),
        ("fuse.sshfs", None, Status.FAIL),
        ("vfat", None, Status.FAIL),
    ],
)
def test_types_below_images(kind: str, ftype: Any, status: Status) -> None:
    facts = on("/var/lib/containerd", type=kind, ftype=ftype)
    assert of(judge("filesystem-type", facts), "/var/lib/containerd").status is status


@pytest.mark.parametrize(
    ("kind", "status"),
    [("ext4", Status.PASS), ("xfs", Status.PASS), ("nfs", Status.WARN), ("tmpfs", Status.WARN)],
)
def test_types_below_etcd(kind: str, status: Status) -> None:
    found = judge("filesystem-type", on("/var/lib/etcd", type=kind), target(Role.ETCD))
    assert of(found, "/var/lib/etcd").status is status


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("rw", "relatime"), Status.PASS),
        (("rw", "noexec"), Status.FAIL),
        (("ro",), Status.FAIL),
        (("rw", "nosuid"), Status.WARN),
    ],
)
@pytest.mark.parametrize("path", ["/opt/cni/bin", "/var/lib/kubelet", "/var/lib/containerd"])
def test_mount_options(path: str, options: tuple[str, ...], status: Status) -> None:
    facts = replace(on(path, options=options), cni=Unknown("failed", "no plugins were read"))
    found = judge("mount-options", facts, target(Role.WORKER))
    if status is Status.PASS:
        assert [finding.status for finding in found] == [Status.PASS]
    else:
        assert of(found, path).status is status
        assert path in of(found, path).remedy


def test_plugins_that_are_there_need_no_writing() -> None:
    plugin = Plugin("/opt/cni/bin/bridge", "bridge", True, "x86_64", 4_000_000, ("1.0.0",))
    cni = replace(known(healthy().cni), plugin_dirs=("/opt/cni/bin",), plugins=(plugin,))
    facts = replace(on("/opt/cni/bin", options=("ro",)), cni=cni)
    assert [finding.status for finding in judge("mount-options", facts)] == [Status.PASS]
    # Where the runtime reads another directory, this one is only where products install.
    other = replace(cni, plugin_dirs=("/usr/lib/cni",), plugins=())
    (found, _) = sorted(
        judge("mount-options", replace(facts, cni=other)), key=lambda each: each.subject == ""
    )
    assert (found.subject, found.status) == ("/opt/cni/bin", Status.WARN)


def test_a_hostile_mount_point_does_not_reach_the_shell() -> None:
    facts = on("/var/lib/kubelet", options=("noexec",))
    changed = tuple(
        replace(system, mount_point="/x; reboot") if system.path == "/var/lib/kubelet" else system
        for system in known(known(facts.hardware).file_systems)
    )
    facts = replace(facts, hardware=replace(known(facts.hardware), file_systems=changed))
    assert "'/x; reboot'" in of(judge("mount-options", facts), "/var/lib/kubelet").remedy


@pytest.mark.parametrize(("p99", "status"), [(10.0, Status.PASS), (10.1, Status.WARN)])
def test_latency(p99: float, status: Status) -> None:
    disk = DiskLatency("/var/lib/etcd", 1000, 1.0, p99)
    facts = replace(healthy(), hardware=replace(hardware.healthy(), etcd_disk=disk))
    (found,) = judge("etcd-disk-latency", facts)
    assert found.status is status


def test_latency_that_was_not_asked_for_is_skipped() -> None:
    disk = Unknown("not-asked", "measured only with --deep")
    facts = replace(healthy(), hardware=replace(hardware.healthy(), etcd_disk=disk))
    (found,) = judge("etcd-disk-latency", facts)
    assert found.status is Status.SKIP


def test_where_etcd_is_elsewhere_its_disk_does_not_count() -> None:
    wanted = target(Role.MASTER, settings=Settings(cluster=Cluster(external_etcd=True)))
    assert judge("etcd-disk-latency", healthy(), wanted) == []
    assert "/var/lib/etcd" not in judge("disk-space", healthy(), wanted)[0].message
    member = target(Role.ETCD, settings=Settings(cluster=Cluster(external_etcd=True)))
    assert len(judge("etcd-disk-latency", healthy(), member)) == 1

"""File systems: their type, and the options that they are mounted with."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import Judgement, check, failed, passed, undetermined, warned
from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.hardware import FileSystem
from preflight.target import Target

DEFAULT_PLUGIN_DIRECTORY = "/opt/cni/bin"
_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "virtiofs", "vboxsf", "afs"}
# What cannot hold the upper layer of an overlay: no whiteouts, no attributes, or an overlay itself
# (mount(2) answers EINVAL; seen with kernel 6.18).
_NO_UPPER_LAYER = _NETWORK - {"ceph"} | {"overlay", "vfat", "exfat", "ntfs", "ntfs3", "ecryptfs"}


@check(
    "filesystem-type",
    title="File systems that can hold containers and etcd",
    why="Image layers are stacked with overlayfs: on xfs without ftype=1, on a network file system "
    "or on another overlay that does not work. etcd needs a local disk that survives a reboot.",
    source="https://docs.kernel.org/filesystems/overlayfs.html",
    applies="The runtime's directory on nodes; etcd's data directory where etcd runs.",
)
def filesystem_type(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each of the two paths."""
    hardware = known(facts.hardware)
    systems = {system.path: system for system in known(hardware.file_systems)}
    if scope.is_node(facts, target):
        path = scope.runtime_directory(facts, target)
        yield _layers(systems[path]) if path in systems else scope.no_file_system(hardware, path)
    if scope.runs_etcd(target):
        path = target.settings.etcd.data_dir
        yield _database(systems[path]) if path in systems else scope.no_file_system(hardware, path)


def _layers(system: FileSystem) -> Judgement:
    if isinstance(system.ftype, Unknown):
        return undetermined(
            f"xfs, and whether it has ftype=1: {system.ftype.message}", subject=system.path
        )
    if system.ftype is False:
        return failed(
            f"{system.device} is xfs with ftype=0, on which overlayfs does not work",
            subject=system.path,
            observed="xfs ftype=0",
            expected="ftype=1",
            remedy=f"put {system.path} on a file system made with: mkfs.xfs -n ftype=1 DEVICE",
        )
    if system.type in _NO_UPPER_LAYER or system.type.startswith("fuse"):
        return failed(
            f"{system.path} is on {system.type}, which cannot hold the layers of overlayfs",
            subject=system.path,
            observed=system.type,
            expected="ext4, xfs or btrfs",
            remedy=f"put {system.path} on a local ext4 or xfs file system",
        )
    suffix = " with ftype=1" if system.ftype else ""
    return passed(f"{system.type}{suffix}", subject=system.path, observed=system.type)


def _database(system: FileSystem) -> Judgement:
    network = system.type in _NETWORK or system.type.startswith("fuse.")
    if not network and system.type not in ("tmpfs", "ramfs"):
        return passed(system.type, subject=system.path, observed=system.type)
    why = (
        "is over the network: its pauses make etcd lose its leader"
        if network
        else "is in memory: the cluster is gone after a reboot"
    )
    return warned(
        f"{system.path} is on {system.type}, which {why}",
        subject=system.path,
        observed=system.type,
        expected="ext4 or xfs on a local disk",
        remedy=f"put {system.path} on a local ext4 or xfs file system",
    )


@check(
    "mount-options",
    title="Plugins, volumes and images are on mounts that let programs run",
    why="On a noexec mount no CNI plugin starts and no program of a volume runs; a read-only one "
    "takes no plugins, volumes or images; on nosuid ones set-uid bits and file capabilities are "
    "ignored.",
    source="https://man7.org/linux/man-pages/man8/mount.8.html",
    applies="The plugin directories of the runtime, /var/lib/kubelet and the runtime's directory; "
    "not on an external etcd member.",
)
def mount_options(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each path with such an option, or one for all."""
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    hardware = known(facts.hardware)
    systems = {system.path: system for system in known(hardware.file_systems)}
    plugins = _plugin_directories(facts)
    fine = []
    for path in (*plugins, scope.KUBELET_DIRECTORY, scope.runtime_directory(facts, target)):
        if path not in systems:
            # A plugin directory of the operator's own is not among the paths that are read.
            if path in hardware.file_systems_unknown:
                yield scope.no_file_system(hardware, path)
            continue
        judgement = _options(systems[path], filled=path in plugins and _has_plugins(facts, path))
        if judgement:
            yield judgement
        else:
            fine.append(path)
    if DEFAULT_PLUGIN_DIRECTORY not in plugins and DEFAULT_PLUGIN_DIRECTORY in systems:
        judgement = _options(systems[DEFAULT_PLUGIN_DIRECTORY], filled=False)
        if judgement:
            yield _elsewhere(judgement, plugins)
    if fine:
        yield passed(f"writable, exec and suid: {', '.join(fine)}")


def _options(system: FileSystem, *, filled: bool) -> Judgement | None:
    """``filled``: plugins are there already, so that nothing need be written."""
    point = shlex.quote(system.mount_point)
    if "noexec" in system.options:
        return failed(
            f"{system.mount_point} is mounted noexec, so no program below {system.path} can run",
            subject=system.path,
            observed="noexec",
            expected="exec",
            remedy=f"take noexec out of its /etc/fstab line, then: mount -o remount,exec {point}",
        )
    if "ro" in system.options and not filled:
        return failed(
            f"{system.mount_point} is mounted read-only, and {system.path} must be written",
            subject=system.path,
            observed="ro",
            expected="rw",
            remedy=f"put {system.path} on a writable file system, or: mount -o remount,rw {point}",
        )
    if "nosuid" in system.options:
        return warned(
            f"{system.mount_point} is mounted nosuid: set-uid bits and file capabilities below "
            f"{system.path} are ignored",
            subject=system.path,
            observed="nosuid",
            expected="suid",
            remedy=f"take nosuid out of its /etc/fstab line, then: mount -o remount,suid {point}",
        )
    return None


def _elsewhere(judgement: Judgement, plugins: tuple[str, ...]) -> Judgement:
    """The same about the directory that products install into, where the runtime reads others."""
    return warned(
        f"{judgement.message}; the runtime reads {' '.join(plugins)}, and most pod networks "
        "install here",
        subject=judgement.subject,
        observed=judgement.observed,
        expected=judgement.expected,
        remedy=judgement.remedy,
    )


def _plugin_directories(facts: Facts) -> tuple[str, ...]:
    """Those of the runtime; a further one only counts while it holds plugins."""
    if isinstance(facts.cni, Unknown) or not facts.cni.plugin_dirs:
        return (DEFAULT_PLUGIN_DIRECTORY,)
    first, *others = facts.cni.plugin_dirs
    return (first, *(path for path in others if _has_plugins(facts, path)))


def _has_plugins(facts: Facts, directory: str) -> bool:
    if isinstance(facts.cni, Unknown):
        return False
    plugins = known_or(facts.cni.plugins, ())
    return any(plugin.path.rpartition("/")[0] == directory for plugin in plugins)

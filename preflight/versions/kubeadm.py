"""What kubeadm itself tests, by minor. Read from kubeadm's preflight checks and release notes.

Source of every table: https://github.com/kubernetes/kubernetes/tree/master/cmd/kubeadm/app/preflight
and the release notes named beside a row.
"""

from __future__ import annotations

from typing import NamedTuple

from rules.version import Version


class Program(NamedTuple):
    """A program that must be in PATH for the minors ``since`` to ``until`` (both included).

    ``packages`` maps a package manager to the package that brings it.
    """

    name: str
    required: bool
    why: str
    packages: dict[str, str]
    since: Version | None = None
    until: Version | None = None

    def applies_to(self, version: Version) -> bool:
        """Whether this minor wants it."""
        minor = version.release
        return (self.since is None or self.since <= minor) and (
            self.until is None or minor <= self.until
        )


def _same(package: str) -> dict[str, str]:
    return dict.fromkeys(("apt", "dnf", "zypper", "apk", "pacman"), package)


_IPROUTE = {"apt": "iproute2", "dnf": "iproute", "zypper": "iproute2", "apk": "iproute2"}
_IPROUTE_TC = {**_IPROUTE, "dnf": "iproute-tc", "pacman": "iproute2"}
_UTIL_LINUX = _same("util-linux")
_COREUTILS = _same("coreutils")
_CONNTRACK = {
    "apt": "conntrack",
    "dnf": "conntrack-tools",
    "zypper": "conntrack-tools",
    "apk": "conntrack-tools",
    "pacman": "conntrack-tools",
}
_LIBC_BIN = {
    "apt": "libc-bin",
    "dnf": "glibc-common",
    "zypper": "glibc",
    "apk": "musl-utils",
    "pacman": "glibc",
}

PROGRAMS = (
    # Dropped for good in 1.33; kubeadm 1.32 asks only below a 1.32 control plane (#126953).
    Program(
        "conntrack",
        True,
        "kube-proxy deletes stale UDP connections with it",
        _CONNTRACK,
        until=Version(1, 31),
    ),
    # kubeadm speaks to the CRI itself from 1.32 on (#126596); 1.31 only warns.
    Program(
        "crictl", True, "kubeadm pulls images with it", _same("cri-tools"), until=Version(1, 30)
    ),
    Program(
        "crictl",
        False,
        "kubeadm falls back to it",
        _same("cri-tools"),
        since=Version(1, 31),
        until=Version(1, 31),
    ),
    # Dropped in 1.33 (#129131, #129450, #129317).
    Program(
        "ip", True, "kubeadm asks for it", {**_IPROUTE, "pacman": "iproute2"}, until=Version(1, 32)
    ),
    Program("iptables", True, "kubeadm asks for it", _same("iptables"), until=Version(1, 32)),
    Program("nsenter", True, "kubeadm asks for it", _UTIL_LINUX, until=Version(1, 32)),
    Program("ethtool", False, "kubeadm asks for it", _same("ethtool"), until=Version(1, 32)),
    Program("tc", False, "kubeadm asks for it", _IPROUTE_TC, until=Version(1, 32)),
    Program("touch", False, "kubeadm asks for it", _COREUTILS, until=Version(1, 32)),
    # Dropped in 1.32 (#127151), and by late patches of 1.28 to 1.31.
    Program(
        "socat", False, "old runtimes forward ports with it", _same("socat"), until=Version(1, 31)
    ),
    Program("ebtables", False, "kubeadm asks for it", _same("ebtables"), until=Version(1, 31)),
    Program(
        "mount",
        True,
        "the kubelet mounts volumes with it",
        _same("mount") | {"dnf": "util-linux", "zypper": "util-linux", "pacman": "util-linux"},
    ),
    # New in 1.33 (#129450, #130045).
    Program(
        "losetup",
        True,
        "the kubelet attaches block volumes with it",
        _UTIL_LINUX,
        since=Version(1, 33),
    ),
    Program("cp", True, "kubeadm copies files with it", _COREUTILS, since=Version(1, 33)),
    # New in 1.38 (#141968).
    Program(
        "getent",
        False,
        "the kubelet looks up its user-namespace range with it",
        _LIBC_BIN,
        since=Version(1, 38),
    ),
)
# Debian and Ubuntu keep these in packages of their own.
NAMES = tuple(dict.fromkeys(program.name for program in PROGRAMS))


def programs(version: Version) -> dict[str, Program]:
    """The programs that a minor asks for, by name."""
    return {program.name: program for program in PROGRAMS if program.applies_to(version)}


# SupportedEtcdVersion's least entry, by the minor of kubeadm: (since, version).
# 1.31: flatcar/scripts#2311 quotes the error; 1.35: kubernetes#134779. Patches of 1.32 to 1.34
# raised it too, so there the older bound fails and the newer one is recommended.
_ETCD_MINIMA = (
    (Version(1, 24), Version(3, 4, 13)),
    (Version(1, 31), Version(3, 5, 11)),
    (Version(1, 35), Version(3, 5, 24)),
)
# etcd 3.5.24 mends the loss of membership data on upgrade to 3.6 (etcd#20793).
ETCD_RECOMMENDED = Version(3, 5, 24)


def minimum_external_etcd(version: Version) -> Version:
    """The oldest external etcd that kubeadm of this minor accepts."""
    return [
        least for since, least in _ETCD_MINIMA if since <= version.release or since.minor == 24
    ][-1]


def etcd_recommended(version: Version) -> Version:
    """The etcd that late patches of this minor ask for."""
    return ETCD_RECOMMENDED if version.release >= Version(1, 32) else minimum_external_etcd(version)


# kubeadm refuses these when they exist (https://kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details/).
MANIFESTS = tuple(
    f"/etc/kubernetes/manifests/{name}.yaml"
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
)
KUBELET_FILES = ("/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf")

"""Security modules: their state, and the labels of the directories that containers live in."""

from __future__ import annotations

import errno
import os

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown

_ENFORCE = "/sys/fs/selinux/enforce"
_APPARMOR = "/sys/module/apparmor/parameters/enabled"
PLUGIN_DIRECTORIES = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
_OTHER_DIRECTORIES = (
    "/etc/cni/net.d",
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/etcd",
)
# The reference plugins are about 20; what a product adds fits too.
_FILES_LIMIT = 64


def read_selinux(host: Host) -> Known[str]:
    """enforcing, permissive or disabled."""
    text = host.read(_ENFORCE)
    if isinstance(text, Unknown):
        # The file system is there exactly while SELinux runs.
        return "disabled" if text.reason == "absent" else text
    return "enforcing" if text.strip() == "1" else "permissive"


def read_apparmor(host: Host) -> Known[str]:
    """enabled or disabled."""
    text = host.read(_APPARMOR)
    if isinstance(text, Unknown):
        return "disabled" if text.reason == "absent" else text
    return "enabled" if text.strip() == "Y" else "disabled"


def read_labels(host: Host) -> dict[str, str]:
    """Path -> SELinux context of the directories of Kubernetes and of each plugin."""
    paths = [*PLUGIN_DIRECTORIES, *_OTHER_DIRECTORIES]
    for directory in PLUGIN_DIRECTORIES:
        names = host.listdir(directory)
        if not isinstance(names, Unknown):
            paths += [f"{directory}/{name}" for name in names[:_FILES_LIMIT]]
    labels = {}
    for path in paths:
        label = _label(path)
        if label:
            labels[path] = label
    return labels


def _label(path: str) -> str:
    try:
        return os.getxattr(path, "security.selinux").rstrip(b"\0").decode("utf-8", "replace")
    except OSError as error:
        # A file system that keeps no labels is the kernel's unlabeled_t.
        return "system_u:object_r:unlabeled_t:s0" if error.errno == errno.ENODATA else ""

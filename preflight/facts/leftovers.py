"""What an earlier cluster left in /etc/kubernetes and in etcd's directory."""

from __future__ import annotations

import os

from preflight.facts.host import Host, unreadable
from preflight.facts.model import Known, Unknown
from preflight.settings import Settings
from preflight.versions.kubeadm import KUBELET_FILES, MANIFESTS


def leftover_paths(settings: Settings) -> tuple[str, ...]:
    """The files that kubeadm refuses when they exist, for any role."""
    return (*MANIFESTS, *KUBELET_FILES, os.path.join(settings.certificates_dir, "ca.crt"))


def existing(paths: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of the paths that exist (symlinks followed, as kubeadm does), and those that may not
    be looked at."""
    found, denied = [], []
    for path in paths:
        state = _state(path)
        if state is True:
            found.append(path)
        elif state is None:
            denied.append(path)
    return tuple(found), tuple(denied)


def _state(path: str) -> bool | None:
    """Whether it exists; None where that may not be looked at."""
    try:
        os.stat(path)
    except PermissionError:
        return None
    except OSError:
        return False
    return True


def directory_entries(host: Host, path: str) -> Known[tuple[str, ...] | None]:
    """The names in a directory; None where it is absent. A file in its place is its one entry."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return unreadable(path, error)
    if not os.path.isdir(path):
        return (f"{os.path.basename(path)} (a file, not a directory)",)
    names = host.listdir(path)
    # Removed since it was looked at.
    return None if isinstance(names, Unknown) and names.reason == "absent" else names

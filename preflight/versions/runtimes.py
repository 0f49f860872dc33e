"""Container runtimes by Kubernetes minor."""

from __future__ import annotations

import re

from rules.version import Version

# https://containerd.io/releases/#kubernetes-support: (since, the least patch of each branch).
_CONTAINERD = (
    (Version(1, 24), (Version(1, 5), Version(1, 6), Version(1, 7))),
    (Version(1, 26), (Version(1, 6, 15), Version(1, 7, 0))),
    (
        Version(1, 32),
        (Version(1, 6, 36), Version(1, 7, 24), Version(2, 0, 1), Version(2, 1, 0)),
    ),
    (
        Version(1, 33),
        (Version(1, 6, 36), Version(1, 7, 24), Version(2, 0, 4), Version(2, 1, 0)),
    ),
    (
        Version(1, 34),
        (Version(1, 6, 39), Version(1, 7, 28), Version(2, 0, 6), Version(2, 1, 3)),
    ),
    (Version(1, 35), (Version(1, 7, 28), Version(2, 1, 5), Version(2, 2, 0))),
    # 1.7 and 2.1 are not on 1.36's list; both still work with it, so the list is only advice.
    (Version(1, 36), (Version(2, 2, 0), Version(2, 3, 0))),
)
# The last minor whose kubelet speaks CRI v1alpha2 (https://kubernetes.io/blog/2022/12/09/kubernetes-v1-26-release/).
V1ALPHA2_UNTIL = Version(1, 25)
# kubeadm warns from 1.35 where the runtime lacks RuntimeConfig (kubernetes#134906).
RUNTIME_CONFIG_WANTED_SINCE = Version(1, 35)
# As the page of the gate KubeletCgroupDriverFromCRI says.
RUNTIME_CONFIG_IN = {"containerd": "2.0", "cri-o": "1.28"}

_NUMBER = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?")


def parse_runtime_version(text: str) -> Version | None:
    """``1.6.20~ds1``, ``v2.1.4``, ``1.7.27-0ubuntu1`` -> numbers; None for anything else."""
    match = _NUMBER.match(text.strip())
    return Version(int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def recommended_containerd(kubernetes: Version) -> tuple[Version, ...]:
    """The least patch of each containerd branch that is recommended for a Kubernetes minor."""
    rows = [row for since, row in _CONTAINERD if since <= kubernetes.release]
    return rows[-1] if rows else _CONTAINERD[0][1]


def containerd_recommended(containerd: Version, kubernetes: Version) -> bool:
    """Whether it is on the list: at least its own branch's patch, or newer than all branches."""
    branches = recommended_containerd(kubernetes)
    if containerd.release > branches[-1].release:
        return True
    return any(containerd.release == branch.release and containerd >= branch for branch in branches)

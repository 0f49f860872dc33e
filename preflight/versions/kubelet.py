"""The kubelet by minor: skew, where the cgroup driver comes from, how it is installed."""

from __future__ import annotations

from rules.version import Version

# https://kubernetes.io/releases/version-skew-policy/#kubelet
_SKEW_MINORS = 3
_SKEW_MINORS_BEFORE_1_25 = 2
_WIDER_SKEW_SINCE = Version(1, 25)

# KubeletCgroupDriverFromCRI: on by default in 1.31, locked on in 1.34
# (https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates/).
DRIVER_FROM_RUNTIME_SINCE = Version(1, 31)
# kubeadm writes it where nothing is configured, since 1.22
# (https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/configure-cgroup-driver/).
DEFAULT_CGROUP_DRIVER = "systemd"

CONFIG_PATH = "/var/lib/kubelet/config.yaml"
KUBEADM_FLAGS_PATH = "/var/lib/kubelet/kubeadm-flags.env"


def oldest_kubelet(control_plane: Version) -> Version:
    """The oldest kubelet minor that may join a control plane of this version."""
    wide = Version(control_plane.major, max(0, control_plane.minor - _SKEW_MINORS))
    if wide >= _WIDER_SKEW_SINCE:
        return wide
    narrow = Version(control_plane.major, max(0, control_plane.minor - _SKEW_MINORS_BEFORE_1_25))
    return min(narrow, _WIDER_SKEW_SINCE)


def too_new(kubelet: Version, control_plane: Version) -> bool:
    """Whether the kubelet is newer: by minor, and by patch where the control plane's is given."""
    if control_plane.patch:
        return kubelet > control_plane
    return kubelet.release > control_plane.release


# https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/
_REPOSITORY = "https://pkgs.k8s.io/core:/stable:/v{major}.{minor}"
_APT = (
    "apt-get install -y ca-certificates curl gpg && mkdir -p -m 755 /etc/apt/keyrings && "
    "curl -fsSL {repository}/deb/Release.key | gpg --batch --yes --dearmor -o "
    "/etc/apt/keyrings/kubernetes-apt-keyring.gpg && "
    "echo 'deb [signed-by=/etc/apt/keyrings/kubernetes-apt-keyring.gpg] {repository}/deb/ /' "
    "> /etc/apt/sources.list.d/kubernetes.list && apt-get update && "
    "apt-get install -y {packages} && apt-mark hold {packages}"
)
_REPO_FILE = (
    "printf '%s\\n' '[kubernetes]' 'name=Kubernetes' 'baseurl={repository}/rpm/' 'enabled=1' "
    "'gpgcheck=1' 'gpgkey={repository}/rpm/repodata/repomd.xml.key' "
)
_DNF = (
    _REPO_FILE + "> /etc/yum.repos.d/kubernetes.repo && dnf install -y {packages} && "
    "systemctl enable kubelet"
)
_ZYPPER = (
    _REPO_FILE + "> /etc/zypp/repos.d/kubernetes.repo && zypper --gpg-auto-import-keys refresh && "
    "zypper install -y {packages} && systemctl enable kubelet"
)
_INSTALL = {"apt": _APT, "dnf": _DNF, "zypper": _ZYPPER}


def install_command(manager: str, version: Version, *packages: str) -> str:
    """The commands that install packages of this minor from pkgs.k8s.io.

    Where the package manager has no repository there, an instruction.
    """
    repository = _REPOSITORY.format(major=version.major, minor=version.minor)
    if manager not in _INSTALL:
        return (
            f"install {' and '.join(packages)} {version.major}.{version.minor} as "
            "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/"
            "install-kubeadm/ says under 'Without a package manager'"
        )
    return _INSTALL[manager].format(repository=repository, packages=" ".join(packages))

"""What each Kubernetes version asks of the kernel: releases, options, cgroup versions.

kubeadm asks by way of its "SystemVerification" check, the system-validators library:
v1.7.0 in kubeadm 1.24-1.25, v1.8.0 in 1.26-1.31, v1.9.x in 1.32-1.33, v1.10.x in 1.34, v1.12.1
from 1.35. Source: https://github.com/kubernetes/system-validators, the tags' validators/.
"""

from __future__ import annotations

import re

from rules.record import record
from rules.version import Version

Release = tuple[int, int]


@record
class KernelRule:
    """The kernels that one kubeadm accepts: ``at_least`` or one of ``long_term``.

    ``refuses``: whether kubeadm stops on any other kernel, or only prints a warning.
    """

    at_least: Release
    long_term: tuple[Release, ...]
    refuses: bool

    def accepts(self, release: Release) -> bool:
        """Whether a kernel of this (major, minor) is on the list."""
        return release >= self.at_least or release in self.long_term

    def __str__(self) -> str:
        names = [*self.long_term, self.at_least]
        return ", ".join(f"{major}.{minor}" for major, minor in names[:-1]) + (
            f"{' or ' if self.long_term else ''}{names[-1][0]}.{names[-1][1]} and newer"
        )


# From the first kubeadm minor that has the rule; newest first.
_KERNEL_RULES = (
    # k/k#131919: the kernel.org long-term lines of the day, and only a warning.
    (Version(1, 34), KernelRule((6, 0), ((5, 4), (5, 10), (5, 15)), refuses=False)),
    (Version(1, 32), KernelRule((4, 19), (), refuses=True)),
    (Version(0, 0), KernelRule((3, 10), (), refuses=True)),
)


def kernel_rule(kubeadm: Version) -> KernelRule:
    """The rule of the system-validators that this kubeadm carries."""
    return next(rule for since, rule in _KERNEL_RULES if kubeadm.release >= since)


def parse_release(text: str) -> Release | None:
    """``5.14.0-427.el9.x86_64`` -> (5, 14); None for what does not start so."""
    match = re.match(r"(\d{1,4})\.(\d{1,4})", text)
    return (int(match[1]), int(match[2])) if match else None


# nftables mode of kube-proxy: https://kubernetes.io/docs/reference/networking/virtual-ips/
NFTABLES_PROXY_KERNEL: Release = (5, 13)

BASE_OPTIONS = (
    "NAMESPACES",
    "NET_NS",
    "PID_NS",
    "IPC_NS",
    "UTS_NS",
    "CPUSETS",
    "MEMCG",
    "INET",
    "EXT4_FS",
    "PROC_FS",
    "NETFILTER_XT_TARGET_REDIRECT",
    "NETFILTER_XT_MATCH_COMMENT",
    "FAIR_GROUP_SCHED",
)
_CGROUP_OPTIONS = {
    1: (
        "CGROUPS",
        "CGROUP_CPUACCT",
        "CGROUP_DEVICE",
        "CGROUP_FREEZER",
        "CGROUP_PIDS",
        "CGROUP_SCHED",
    ),
    2: ("CGROUPS", "CGROUP_BPF", "CGROUP_PIDS", "CGROUP_SCHED"),
}
# system-validators' optional options without those of drivers that nothing uses any more (AUFS_FS,
# BLK_DEV_DM), of what kernel-modules judges (OVERLAY_FS) and of huge pages.
OPTIONAL_OPTIONS = {
    "CFS_BANDWIDTH": "containers with a CPU limit do not start",
    "SECCOMP": "seccomp profiles of pods cannot be applied",
    "SECCOMP_FILTER": "seccomp profiles of pods cannot be applied",
}
# Names that an option had before, or has where a driver moved.
OPTION_ALIASES = {
    "NETFILTER_XT_TARGET_REDIRECT": ("IP_NF_TARGET_REDIRECT",),
    "NETFILTER_XT_TARGET_MASQUERADE": ("IP_NF_TARGET_MASQUERADE",),
    "OVERLAY_FS": ("OVERLAYFS_FS",),
}


def required_options(cgroup_version: int) -> tuple[str, ...]:
    """The options without which a node does not work, by the cgroup version it runs."""
    return BASE_OPTIONS + _CGROUP_OPTIONS[cgroup_version]


def needlessly_asked_options(kubeadm: Version, cgroup_version: int) -> tuple[str, ...]:
    """What this kubeadm asks for beyond ``required_options``, though nothing uses it.

    Up to 1.31 kubeadm asks for the options of cgroup v1 on every host, 1.32 to 1.34 for both
    sets (late patches of these do not).
    """
    release = kubeadm.release
    if release >= Version(1, 35):
        return ()
    asked = set(_CGROUP_OPTIONS[1])
    if release >= Version(1, 32):
        asked |= set(_CGROUP_OPTIONS[2])
    return tuple(sorted(asked - set(required_options(cgroup_version))))


# The kubelet's failCgroupV1: field since 1.31 (false), true by default from 1.35.
# Source: https://kubernetes.io/docs/concepts/architecture/cgroups/
KUBELET_KNOWS_CGROUP_V1_SWITCH = Version(1, 31)
KUBELET_REFUSES_CGROUP_V1 = Version(1, 35)
REQUIRED_CONTROLLERS = {
    1: ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
    # On v2 devices are an eBPF program, which the option CGROUP_BPF stands for.
    2: ("cpu", "cpuset", "freezer", "memory", "pids"),
}

# kube-proxy's conntrack.maxPerCore and conntrack.min, and the cap of k/k#137002 (1.36).
# Source: https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/
CONNTRACK_PER_CPU = 32768
CONNTRACK_MINIMUM = 131072
CONNTRACK_CAP = 1048576
CONNTRACK_CAP_SINCE = Version(1, 36)
# k/k#142035: these minors may lower a higher value, where the sysctl cannot be written.
CONNTRACK_LOWERED_BY = (Version(1, 36), Version(1, 37))


def conntrack_wanted(version: Version, cpus: int) -> int:
    """What kube-proxy sets net.netfilter.nf_conntrack_max to, in entries."""
    wanted = max(CONNTRACK_PER_CPU * cpus, CONNTRACK_MINIMUM)
    return min(wanted, CONNTRACK_CAP) if version.release >= CONNTRACK_CAP_SINCE else wanted


# The kubelet's NodeSwap: swapBehavior NoSwap became the default, and UnlimitedSwap was refused.
# Source: https://kubernetes.io/docs/concepts/architecture/nodes/#swap-memory
NO_SWAP_DEFAULT_SINCE = Version(1, 30)

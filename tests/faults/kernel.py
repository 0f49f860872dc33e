"""Faults of kernel, control groups, swap, settings and limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from preflight.facts.model import Facts, known
from preflight.facts.model.kernel import Cgroups, Setting, SwapArea
from preflight.settings import KubeletSettings, Settings
from rules.cluster import Cluster, CniChoice, Role
from rules.version import Version
from tests.faults.model import LiveFault, SavedFault
from tests.nodes import kernel, system

GIB = 1024**3


def change(**values: Any) -> Callable[[Facts], Facts]:
    """The healthy kernel with other values."""
    return lambda facts: replace(facts, kernel=replace(kernel.healthy(), **values))


def module(name: str, **values: str) -> Callable[[Facts], Facts]:
    """One module in another state; without br_netfilter its settings are not there either."""

    def changed(facts: Facts) -> Facts:
        healthy = kernel.healthy()
        modules = tuple(
            replace(each, **values) if each.name == name else each for each in healthy.modules
        )
        sysctls = {
            key: value
            for key, value in healthy.sysctls.items()
            if name != "br_netfilter" or not key.startswith("net.bridge.")
        }
        return replace(facts, kernel=replace(healthy, modules=modules, sysctls=sysctls))

    return changed


def option(name: str, value: str) -> Callable[[Facts], Facts]:
    """One kernel option in another state."""
    config = known(kernel.healthy().config)
    return change(config=replace(config, options={**config.options, name: value}))


def release(text: str) -> Callable[[Facts], Facts]:
    """Another kernel release."""
    return lambda facts: replace(facts, system=replace(system.healthy(), kernel_release=text))


def files(*settings: Setting) -> tuple[Setting, ...]:
    """The healthy sysctl.d with further lines at its end."""
    return (*known(kernel.healthy().sysctl_files), *settings)


V1 = Cgroups(
    1,
    hybrid=False,
    controllers=("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"),
)
SWAP = (SwapArea("/swap.img", "file", 2 * GIB),)
DUAL_STACK = Settings(
    cluster=Cluster(pod_subnets=(ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56")))
)
TOLERANT = Settings(kubelet=KubeletSettings(fail_swap_on=False, swap_behavior="LimitedSwap"))

FAULTS: tuple[SavedFault | LiveFault, ...] = (
    SavedFault(
        "br_netfilter is not in the kernel",
        frozenset({"kernel-modules"}),
        module("br_netfilter", state="absent", evidence="it is not in modules.dep"),
    ),
    SavedFault(
        "br_netfilter is not loaded",
        frozenset({"bridge-nf-call"}),
        module("br_netfilter", state="loadable"),
    ),
    SavedFault(
        "br_netfilter is forbidden by modprobe.d",
        frozenset({"kernel-modules"}),
        module("br_netfilter", state="loadable", blocked_by="/etc/modprobe.d/cis.conf"),
    ),
    SavedFault(
        "br_netfilter is loaded, and nothing loads it at boot",
        frozenset({"persistent-modules"}),
        change(modules_load=()),
    ),
    SavedFault(
        "the kernel has no vxlan, which flannel needs",
        frozenset({"kernel-modules"}),
        module("vxlan", state="absent", evidence="CONFIG_VXLAN is not set"),
        settings=Settings(cluster=Cluster(cni=CniChoice("flannel", "vxlan"))),
    ),
    SavedFault(
        "modules may not be loaded any more",
        frozenset({"kernel-modules"}),
        change(modules_disabled=True),
    ),
    SavedFault(
        "v1 control groups for 1.35",
        frozenset({"cgroup-version"}),
        change(cgroups=V1),
        version=Version(1, 35),
    ),
    SavedFault(
        "v1 control groups that the configuration tolerates",
        frozenset({"cgroup-version"}),
        change(cgroups=V1),
        version=Version(1, 35),
        settings=Settings(kubelet=KubeletSettings(fail_cgroup_v1=False)),
    ),
    SavedFault(
        "the memory controller is turned off",
        frozenset({"cgroup-controllers"}),
        change(
            cgroups=Cgroups(
                2,
                hybrid=False,
                disabled=("memory",),
                controllers=("cpu", "cpuset", "freezer", "io", "pids"),
            )
        ),
        role=Role.WORKER,
    ),
    SavedFault(
        "a RHEL 9 kernel", frozenset({"kernel-version"}), release("5.14.0-427.13.1.el9_4.x86_64")
    ),
    SavedFault(
        "a kernel too old for kubeadm 1.33",
        frozenset({"kernel-version"}),
        release("4.18.0-553.el8_10.x86_64"),
        version=Version(1, 33),
    ),
    SavedFault(
        "a kernel without eBPF for groups", frozenset({"kernel-config"}), option("CGROUP_BPF", "n")
    ),
    SavedFault(
        "limited swap on v1 control groups",
        frozenset({"swap-off", "cgroup-version"}),
        change(swaps=SWAP, cgroups=V1),
        version=Version(1, 34),
        settings=TOLERANT,
    ),
    SavedFault(
        "swap in fstab only",
        frozenset({"persistent-swap"}),
        change(boot_swap=(Setting("/etc/fstab", "/swap.img", "swap"),)),
    ),
    SavedFault(
        "a zram generator",
        frozenset({"persistent-swap"}),
        change(boot_swap=(Setting("/usr/lib/systemd/zram-generator.conf", "/dev/zram0", "zram"),)),
        role=Role.WORKER,
    ),
    SavedFault("forwarding is not kept", frozenset({"persistent-sysctl"}), change(sysctl_files=())),
    SavedFault(
        "a later file turns forwarding off",
        frozenset({"persistent-sysctl"}),
        change(
            sysctl_files=files(Setting("/etc/sysctl.d/99-zz-cis.conf", "net.ipv4.ip_forward", "0"))
        ),
    ),
    SavedFault(
        "a small conntrack table that nobody may raise",
        frozenset({"conntrack-max"}),
        change(
            sysctls_writable=False,
            sysctls={**kernel.SYSCTLS, "net.netfilter.nf_conntrack_max": "32768"},
        ),
    ),
    SavedFault(
        "few open files",
        frozenset({"open-files-limit"}),
        change(open_files_limit=(1024, 4096)),
        role=Role.ETCD,
    ),
    SavedFault(
        "a plugin that kept the label of a home directory",
        frozenset({"selinux"}),
        change(
            selinux="enforcing",
            selinux_labels={
                "/opt/cni/bin": "system_u:object_r:bin_t:s0",
                "/opt/cni/bin/bridge": "unconfined_u:object_r:user_home_t:s0",
            },
        ),
    ),
    SavedFault(
        "AppArmor without its parser", frozenset({"apparmor"}), change(apparmor_parser=False)
    ),
    SavedFault(
        "IPv6 is not forwarded",
        frozenset({"ipv6-forward"}),
        change(sysctls={**kernel.SYSCTLS, "net.ipv6.conf.default.forwarding": "0"}),
        settings=DUAL_STACK,
    ),
    LiveFault(
        "ip_forward is 0",
        frozenset({"ip-forward"}),
        "echo 0 > /proc/sys/net/ipv4/ip_forward",
        baseline="echo 1 > /proc/sys/net/ipv4/ip_forward",
    ),
    LiveFault(
        "bridged packets skip iptables",
        frozenset({"bridge-nf-call"}),
        "echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables",
        baseline="echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables",
    ),
    LiveFault(
        "IPv6 is not forwarded to new interfaces",
        frozenset({"ipv6-forward"}),
        "echo 0 > /proc/sys/net/ipv6/conf/default/forwarding",
        baseline="echo 1 > /proc/sys/net/ipv6/conf/all/forwarding\n"
        "printf 'networking: {podSubnet: fd00:10:244::/56, serviceSubnet: fd00:10:96::/112}"
        "\\n' > /etc/nodeprep-test.yaml",
        arguments=("--offline", "--config", "/etc/nodeprep-test.yaml"),
    ),
    LiveFault(
        "swap is on",
        frozenset({"swap-off"}),
        "printf 'Filename\\t\\t\\t\\tType\\t\\tSize\\t\\tUsed\\t\\tPriority\\n"
        "/dev/zram0                              partition\\t2097148\\t\\t0\\t\\t100\\n'"
        " > /run/swaps\nmount --bind /run/swaps /proc/swaps",
    ),
    LiveFault(
        "swap in fstab at the next boot",
        frozenset({"persistent-swap"}),
        "printf 'UUID=0a1b none swap sw 0 0\\n' >> /etc/fstab",
    ),
    LiveFault(
        "low inotify limits",
        frozenset({"inotify-limits"}),
        "echo 4096 > /run/watches\nmount --bind /run/watches /proc/sys/fs/inotify/max_user_watches",
    ),
    LiveFault(
        "a kernel without ext4",
        frozenset({"kernel-config"}),
        "grep -v ext4 /proc/filesystems > /run/filesystems\n"
        "mount --bind /run/filesystems /proc/filesystems\n"
        "zcat /proc/config.gz | sed '/^CONFIG_EXT4_FS=/d' | gzip > /run/config.gz\n"
        "mount --bind /run/config.gz /proc/config.gz",
    ),
)

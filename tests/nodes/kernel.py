"""Healthy kernel facts: Debian 12, prepared as the documentation says."""

from __future__ import annotations

from preflight.facts.kernel import ASKED_OPTIONS
from preflight.facts.model.kernel import Cgroups, Kernel, KernelConfig, Module, Setting
from preflight.versions.modules import MODULES

CONFIG = "/boot/config-6.1.0-40-amd64"
LOADED = ("overlay", "br_netfilter", "bridge", "veth", "nf_conntrack", "ip_tables", "nf_tables")
BUILT_IN = ("sch_fq",)
SYSCTL_FILE = "/etc/sysctl.d/kubernetes.conf"
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv4.conf.all.forwarding": "1",
    "net.ipv4.conf.default.forwarding": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv6.conf.default.forwarding": "1",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
    "net.ipv6.conf.all.accept_ra": "1",
    "net.ipv6.conf.default.accept_ra": "1",
    "net.ipv6.conf.eth0.disable_ipv6": "0",
    "net.ipv6.conf.eth0.accept_ra": "2",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.eth0.rp_filter": "0",
    "net.ipv4.conf.lo.rp_filter": "0",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
    "net.bridge.bridge-nf-call-arptables": "1",
    "net.netfilter.nf_conntrack_max": "262144",
    "net.netfilter.nf_conntrack_buckets": "65536",
    "fs.inotify.max_user_instances": "8192",
    "fs.inotify.max_user_watches": "524288",
    "fs.file-max": "9223372036854775807",
    "fs.nr_open": "1048576",
    "kernel.modules_disabled": "0",
    "kernel.modprobe": "/sbin/modprobe",
    "kernel.panic": "0",
    "kernel.panic_on_oops": "0",
    "kernel.pid_max": "4194304",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
    "vm.overcommit_memory": "0",
    "vm.panic_on_oom": "0",
    "vm.max_map_count": "65530",
    "user.max_user_namespaces": "31348",
}
KEPT = (
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "fs.inotify.max_user_instances",
)
# What a Debian kernel shows without its configuration.
FEATURES = dict.fromkeys(
    (
        "NAMESPACES",
        "NET_NS",
        "PID_NS",
        "IPC_NS",
        "UTS_NS",
        "CGROUPS",
        "CPUSETS",
        "MEMCG",
        "CGROUP_PIDS",
        "CGROUP_SCHED",
        "FAIR_GROUP_SCHED",
        "CFS_BANDWIDTH",
        "SECCOMP",
        "SECCOMP_FILTER",
        "INET",
        "PROC_FS",
        "EXT4_FS",
    ),
    True,
)


def modules() -> tuple[Module, ...]:
    """Everything is a module of Debian's kernel, and what a node uses is loaded."""
    place = "/lib/modules/6.1.0-40-amd64"
    return tuple(
        Module(name, "loaded", "/proc/modules")
        if name in LOADED
        else Module(name, "builtin", f"{place}/modules.builtin")
        if name in BUILT_IN
        else Module(name, "loadable", f"{place}/modules.dep")
        for name in MODULES
    )


def healthy() -> Kernel:
    """cgroup v2, no swap, settings and modules kept below /etc."""
    return Kernel(
        config=KernelConfig(CONFIG, dict.fromkeys(sorted(ASKED_OPTIONS), "y")),
        modules=modules(),
        modules_disabled=False,
        cgroups=Cgroups(
            2,
            hybrid=False,
            controllers=("cpu", "cpuset", "freezer", "hugetlb", "io", "memory", "misc", "pids"),
        ),
        swaps=(),
        boot_swap=(),
        sysctls=dict(SYSCTLS),
        sysctls_denied=(),
        sysctl_files=tuple(Setting(SYSCTL_FILE, key, SYSCTLS[key]) for key in KEPT),
        modules_load=tuple(
            Setting("/etc/modules-load.d/kubernetes.conf", name, "")
            for name in ("overlay", "br_netfilter")
        ),
        open_files_limit=(1024, 524288),
        selinux="disabled",
        apparmor="enabled",
        apparmor_parser=True,
        features=dict(FEATURES),
    )

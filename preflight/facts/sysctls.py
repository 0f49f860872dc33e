"""Kernel settings, read from /proc/sys."""

from __future__ import annotations

import os

from preflight.facts.host import Host
from preflight.facts.model import Unknown

NAMES = (
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.forwarding",
    "net.ipv4.conf.default.forwarding",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.default.forwarding",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.default.disable_ipv6",
    "net.ipv6.conf.all.accept_ra",
    "net.ipv6.conf.default.accept_ra",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.bridge.bridge-nf-call-arptables",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_buckets",
    "fs.inotify.max_user_instances",
    "fs.inotify.max_user_watches",
    "fs.file-max",
    "fs.nr_open",
    "kernel.modules_disabled",
    "kernel.modprobe",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.pid_max",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "vm.max_map_count",
    "user.max_user_namespaces",
)
# A joined node has an interface for each pod: those are read for rp_filter alone.
_POD_PREFIXES = ("veth", "cali", "lxc", "lo")
_INTERFACE_LIMIT = 1024


def path_of(name: str) -> str:
    """``net.ipv4.conf.eth0/100.rp_filter`` -> its file; a slash stands for a dot in a part."""
    return "/proc/sys/" + name.translate({ord("."): "/", ord("/"): "."})


def interface_names(interfaces: tuple[str, ...]) -> tuple[str, ...]:
    """The settings of each interface that checks ask for."""
    names = []
    for interface in interfaces[:_INTERFACE_LIMIT]:
        part = interface.replace(".", "/")
        names.append(f"net.ipv4.conf.{part}.rp_filter")
        if not interface.startswith(_POD_PREFIXES):
            names.append(f"net.ipv6.conf.{part}.disable_ipv6")
            names.append(f"net.ipv6.conf.{part}.accept_ra")
    return tuple(names)


def sysctls_writable() -> bool:
    """Whether /proc/sys is there and not mounted read-only, as containers have it."""
    try:
        return not os.statvfs("/proc/sys").f_flag & os.ST_RDONLY
    except OSError:
        return False


def read_sysctls(host: Host) -> tuple[dict[str, str], tuple[str, ...]]:
    """Name -> value (blanks as one space), and the names that may not be read.

    What this kernel does not have is in neither; without /proc/sys nobody knows what it has.
    """
    if not host.exists("/proc/sys"):
        return {}, NAMES
    interfaces = host.listdir("/proc/sys/net/ipv4/conf")
    every = () if isinstance(interfaces, Unknown) else interfaces
    found: dict[str, str] = {}
    denied: list[str] = []
    for name in (*NAMES, *interface_names(tuple(n for n in every if n not in ("all", "default")))):
        text = host.read(path_of(name))
        if not isinstance(text, Unknown):
            found[name] = " ".join(text.split())
        elif text.reason != "absent":
            denied.append(name)
    return found, tuple(denied)

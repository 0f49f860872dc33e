"""Kernel modules: loaded, built in, loadable, absent, and what modprobe.d forbids."""

from __future__ import annotations

import os
from collections.abc import Iterable

from preflight.facts.bootfiles import dropins
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.kernel import KernelConfig, Module

# Module -> (the option that builds it, a path that exists exactly while it works). Every module
# that a check or a CNI profile may ask about.
MODULES: dict[str, tuple[str, str]] = {
    "overlay": ("OVERLAY_FS", "/sys/module/overlay"),
    "br_netfilter": ("BRIDGE_NETFILTER", "/proc/sys/net/bridge"),
    "bridge": ("BRIDGE", "/sys/module/bridge"),
    "veth": ("VETH", "/sys/module/veth"),
    "vxlan": ("VXLAN", "/sys/module/vxlan"),
    "geneve": ("GENEVE", "/sys/module/geneve"),
    "ipip": ("NET_IPIP", "/sys/module/ipip"),
    "ip6_tunnel": ("IPV6_TUNNEL", "/sys/module/ip6_tunnel"),
    "sit": ("IPV6_SIT", "/sys/module/sit"),
    "ip_gre": ("NET_IPGRE", "/sys/module/ip_gre"),
    "wireguard": ("WIREGUARD", "/sys/module/wireguard"),
    "esp4": ("INET_ESP", "/sys/module/esp4"),
    "esp6": ("INET6_ESP", "/sys/module/esp6"),
    "xfrm_user": ("XFRM_USER", "/sys/module/xfrm_user"),
    "dummy": ("DUMMY", "/sys/module/dummy"),
    "ifb": ("IFB", "/sys/module/ifb"),
    "tun": ("TUN", "/sys/module/tun"),
    "macvlan": ("MACVLAN", "/sys/module/macvlan"),
    "ipvlan": ("IPVLAN", "/sys/module/ipvlan"),
    "8021q": ("VLAN_8021Q", "/proc/net/vlan"),
    "vrf": ("NET_VRF", "/sys/module/vrf"),
    "openvswitch": ("OPENVSWITCH", "/sys/module/openvswitch"),
    "sch_ingress": ("NET_SCH_INGRESS", "/sys/module/sch_ingress"),
    "sch_fq": ("NET_SCH_FQ", "/sys/module/sch_fq"),
    "cls_bpf": ("NET_CLS_BPF", "/sys/module/cls_bpf"),
    "act_bpf": ("NET_ACT_BPF", "/sys/module/act_bpf"),
    "nf_conntrack": ("NF_CONNTRACK", "/proc/sys/net/netfilter/nf_conntrack_max"),
    "nf_nat": ("NF_NAT", "/sys/module/nf_nat"),
    "ip_tables": ("IP_NF_IPTABLES", "/proc/net/ip_tables_names"),
    "ip6_tables": ("IP6_NF_IPTABLES", "/proc/net/ip6_tables_names"),
    "iptable_nat": ("IP_NF_NAT", "/sys/module/iptable_nat"),
    "iptable_filter": ("IP_NF_FILTER", "/sys/module/iptable_filter"),
    "iptable_mangle": ("IP_NF_MANGLE", "/sys/module/iptable_mangle"),
    "iptable_raw": ("IP_NF_RAW", "/sys/module/iptable_raw"),
    "ip6table_nat": ("IP6_NF_NAT", "/sys/module/ip6table_nat"),
    "ip6table_filter": ("IP6_NF_FILTER", "/sys/module/ip6table_filter"),
    "ip6table_mangle": ("IP6_NF_MANGLE", "/sys/module/ip6table_mangle"),
    "ip6table_raw": ("IP6_NF_RAW", "/sys/module/ip6table_raw"),
    "ip_set": ("IP_SET", "/sys/module/ip_set"),
    "ip_set_hash_ip": ("IP_SET_HASH_IP", "/sys/module/ip_set_hash_ip"),
    "ip_set_hash_net": ("IP_SET_HASH_NET", "/sys/module/ip_set_hash_net"),
    "ip_vs": ("IP_VS", "/proc/net/ip_vs"),
    "ip_vs_rr": ("IP_VS_RR", "/sys/module/ip_vs_rr"),
    "ip_vs_wrr": ("IP_VS_WRR", "/sys/module/ip_vs_wrr"),
    "ip_vs_sh": ("IP_VS_SH", "/sys/module/ip_vs_sh"),
    "nf_tables": ("NF_TABLES", "/sys/module/nf_tables"),
    "nft_compat": ("NFT_COMPAT", "/sys/module/nft_compat"),
    "nft_fib": ("NFT_FIB", "/sys/module/nft_fib"),
    "nft_masq": ("NFT_MASQ", "/sys/module/nft_masq"),
    "nft_numgen": ("NFT_NUMGEN", "/sys/module/nft_numgen"),
    "xt_addrtype": ("NETFILTER_XT_MATCH_ADDRTYPE", "/sys/module/xt_addrtype"),
    "xt_bpf": ("NETFILTER_XT_MATCH_BPF", "/sys/module/xt_bpf"),
    "xt_comment": ("NETFILTER_XT_MATCH_COMMENT", "/sys/module/xt_comment"),
    "xt_connmark": ("NETFILTER_XT_CONNMARK", "/sys/module/xt_connmark"),
    "xt_conntrack": ("NETFILTER_XT_MATCH_CONNTRACK", "/sys/module/xt_conntrack"),
    "xt_CT": ("NETFILTER_XT_TARGET_CT", "/sys/module/xt_CT"),
    "xt_MASQUERADE": ("NETFILTER_XT_TARGET_MASQUERADE", "/sys/module/xt_MASQUERADE"),
    "xt_mark": ("NETFILTER_XT_MARK", "/sys/module/xt_mark"),
    "xt_multiport": ("NETFILTER_XT_MATCH_MULTIPORT", "/sys/module/xt_multiport"),
    "xt_nat": ("NETFILTER_XT_NAT", "/sys/module/xt_nat"),
    "xt_physdev": ("NETFILTER_XT_MATCH_PHYSDEV", "/sys/module/xt_physdev"),
    "xt_set": ("NETFILTER_XT_SET", "/sys/module/xt_set"),
    "xt_socket": ("NETFILTER_XT_MATCH_SOCKET", "/sys/module/xt_socket"),
    "xt_statistic": ("NETFILTER_XT_MATCH_STATISTIC", "/sys/module/xt_statistic"),
    "xt_TPROXY": ("NETFILTER_XT_TARGET_TPROXY", "/sys/module/xt_TPROXY"),
}
# Modules that had another name: xt_MASQUERADE was ipt_MASQUERADE up to kernel 5.1.
_OLD_NAMES = {"xt_MASQUERADE": "ipt_MASQUERADE"}
_MODPROBE_DIRECTORIES = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
# `install NAME /bin/false` and its spellings: the command that refuses to load.
_REFUSALS = frozenset({"false", "true", ":"})
_INDEX_LIMIT_BYTES = 16 * 1024 * 1024


def parse_loaded(text: str) -> frozenset[str]:
    """/proc/modules -> names."""
    return frozenset(line.split(" ", 1)[0] for line in text.splitlines() if line)


def parse_index(data: bytes) -> frozenset[str]:
    """modules.dep or modules.builtin -> names with underscores; ``.ko``, ``.ko.xz`` and the like.

    A line is ``kernel/fs/overlayfs/overlay.ko.zst: ...`` or the path alone.
    """
    names = (
        line.partition(b":")[0].rpartition(b"/")[2].partition(b".ko")[0]
        for line in data.split(b"\n")
        if line
    )
    return frozenset(name.decode("ascii", "replace").replace("-", "_") for name in names)


def parse_modprobe(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """A modprobe.d file -> names that an ``install`` line refuses, names that are blacklisted."""
    blocked, denied = set(), set()
    for line in text.replace("\\\n", " ").splitlines():
        words = line.split()
        if len(words) < 2 or words[0].startswith("#"):
            continue
        name = words[1].replace("-", "_")
        if words[0] == "blacklist":
            denied.add(name)
        elif words[0] == "install" and os.path.basename("".join(words[2:3])) in _REFUSALS:
            blocked.add(name)
    return frozenset(blocked), frozenset(denied)


def read_modules(host: Host, release: str, config: Known[KernelConfig]) -> tuple[Module, ...]:
    """The state of every module in ``MODULES``, in its order."""
    loaded = host.read("/proc/modules")
    # Without loadable modules in the kernel the file is not there: everything is built in or not.
    modular = not (isinstance(loaded, Unknown) and loaded.reason == "absent")
    names = frozenset() if isinstance(loaded, Unknown) else parse_loaded(loaded)
    directory = f"/lib/modules/{release}"
    builtin = _index(host, f"{directory}/modules.builtin")
    loadable = _index(host, f"{directory}/modules.dep") if modular else frozenset()
    blocked, denied = _forbidden(host) if modular else ({}, {})
    found = []
    for name in MODULES:
        state, evidence = _state(name, names, builtin, loadable, config, directory)
        found.append(
            Module(name, state, evidence, blocked.get(name, ""), denied.get(name, ""))
            if modular
            else Module(name, state, evidence)
        )
    return tuple(found)


def _state(
    name: str,
    loaded: frozenset[str],
    builtin: frozenset[str] | None,
    loadable: frozenset[str] | None,
    config: Known[KernelConfig],
    directory: str,
) -> tuple[str, str]:
    option, works = MODULES[name]
    either = {name, _OLD_NAMES.get(name, name)}
    if either & loaded:
        return "loaded", "/proc/modules"
    if builtin is not None and either & builtin:
        return "builtin", f"{directory}/modules.builtin"
    if os.path.exists(works):
        return "builtin", works
    wanted = None if isinstance(config, Unknown) else config.options.get(option)
    if not isinstance(config, Unknown) and wanted == "y":
        return "builtin", f"CONFIG_{option}=y in {config.path}"
    if loadable is not None and either & loadable:
        return "loadable", f"{directory}/modules.dep"
    if not isinstance(config, Unknown) and wanted == "n":
        return "absent", f"CONFIG_{option} is not set in {config.path}"
    if loadable is None or (builtin is None and wanted is None):
        return "unknown", f"there is no index of modules in {directory}"
    return "absent", f"it is not in {directory}/modules.dep"


def _index(host: Host, path: str) -> frozenset[str] | None:
    """The names in an index, None where it cannot be read."""
    data = host.read_bytes(path, _INDEX_LIMIT_BYTES)
    return None if isinstance(data, Unknown) else parse_index(data)


def _forbidden(host: Host) -> tuple[dict[str, str], dict[str, str]]:
    """Name -> the modprobe.d file that blocks it, and the one that blacklists it."""
    blocked: dict[str, str] = {}
    denied: dict[str, str] = {}
    for path in dropins(host, _MODPROBE_DIRECTORIES):
        text = host.read(path)
        if isinstance(text, Unknown) or ("install" not in text and "blacklist" not in text):
            continue
        refused, listed = parse_modprobe(text)
        blocked.update(dict.fromkeys(refused & MODULES.keys(), path))
        denied.update(dict.fromkeys(listed & MODULES.keys(), path))
    return blocked, denied


def options_of(names: Iterable[str]) -> tuple[str, ...]:
    """The kernel options that build these modules."""
    return tuple(MODULES[name][0] for name in names)

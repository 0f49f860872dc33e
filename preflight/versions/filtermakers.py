"""Which program makes a packet filter rule: told by the names that it leaves in its rules."""

from __future__ import annotations

import re
from typing import NamedTuple


class Maker(NamedTuple):
    """``marks``: patterns of bytes in a rule (a chain that it jumps to, an interface, a comment).

    ``tables``: patterns of whole names of nft tables that are its own. ``unit``: what brings its
    rules back after a reboot where that is a unit of its own; empty: the program makes them anew
    whenever it starts, and it starts because something else needs it.
    """

    name: str
    marks: tuple[bytes, ...] = ()
    tables: tuple[str, ...] = ()
    unit: str = ""


# Chain, interface and table names as these projects' sources and documentation give them.
MAKERS = (
    Maker("nodeprep", (rb"NODEPREP-",), (r"nodeprep",), "nodeprep-firewall"),
    Maker("nodeprep's pod network", (), (r"nodeprep_pods",), "nodeprep-pods"),
    Maker(
        "firewalld",
        (
            rb"(?:INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING|FORWARD_IN|FORWARD_OUT)_(?:direct|ZONES)",
        ),
        (r"firewalld(?:_policy_drop)?",),
        "firewalld",
    ),
    Maker("ufw", (rb"ufw6?-",), unit="ufw"),
    Maker("kubernetes", (rb"KUBE-", rb"kubernetes "), (r"kube-proxy", r"kube-network-policies")),
    Maker("calico", (rb"cali[-:]", rb"vxlan\.calico"), (r"calico",)),
    Maker("cilium", (rb"CILIUM_", rb"cilium_host", rb"cilium-feeder"), (r"cilium",)),
    Maker("flannel", (rb"FLANNEL-", rb"flanneld ", rb"flannel\.\d"), (r"flannel-ipv[46]",)),
    Maker("weave", (rb"WEAVE",)),
    Maker("antrea", (rb"ANTREA-", rb"antrea-gw"), (r"antrea.*",)),
    Maker("kube-ovn", (rb"ovn[46]0", rb"OVN-")),
    Maker("kindnet", (rb"KIND-MASQ-AGENT",), (r"kindnet.*", r"kind-.*")),
    Maker("the AWS pod network", (rb"AWS-(?:SNAT|CONNMARK)-", rb"AWS, ")),
    Maker("IP masquerade agent", (rb"IP-MASQ",)),
    # The comment of the plugins' ipMasq names the network and the container.
    Maker("CNI plugins", (rb"CNI-", rb"CNI firewall plugin", rb'name: ".*" id: "'), (r"cni_.*",)),
    Maker(
        "docker",
        (rb"DOCKER", rb"docker0", rb"docker_gwbridge", rb"br-[0-9a-f]{12}"),
        (r"docker-.*",),
    ),
    Maker("podman", (rb"NETAVARK", rb"podman\d"), (r"netavark",)),
    Maker("libvirt", (rb"LIBVIRT_", rb"virbr\d"), (r"libvirt_network",)),
    Maker("LXC", (rb"lxcbr\d", rb"lxdbr\d", rb"incusbr\d"), (r"lxc", r"lxd", r"incus")),
    Maker("fail2ban", (rb"f2b-", rb"fail2ban"), (r"f2b-table",)),
    Maker("CrowdSec", (rb"CROWDSEC", rb"crowdsec"), (r"crowdsec6?",)),
    Maker("sshguard", (rb"sshguard",), (r"sshguard",)),
    Maker("Tailscale", (rb"ts-(?:input|forward|postrouting)",), (r"tailscale",)),
    Maker("systemd", (), (r"io\.systemd\.nat",)),
    Maker("NetworkManager", (rb"nm-sh-",), (r"nm-shared-.*",)),
    # The agent shields Azure's host address 168.63.129.16 from all but root.
    Maker("Azure's agent", (rb"\xa8\x3f\x81\x10",)),
)
# What only firewalld's chains are called where it uses iptables.
FIREWALLD_CHAINS = frozenset({"INPUT_ZONES", "PREROUTING_ZONES", "POSTROUTING_ZONES"})
_MARKED = tuple(maker for maker in MAKERS if maker.marks)
_ANY_MARK = re.compile(b"|".join(b"(%s)" % b"|".join(maker.marks) for maker in _MARKED))
_ANY_TABLE = tuple((re.compile("|".join(maker.tables)), maker) for maker in MAKERS if maker.tables)


def maker_of_rule(content: bytes) -> str:
    """The name of a rule's maker by the marks in its raw bytes; empty: made by hand."""
    found = _ANY_MARK.search(content)
    return _MARKED[found.lastindex - 1].name if found and found.lastindex else ""


def maker_of_table(name: str) -> str:
    """The name of the program whose own this nft table is, empty where it is nobody's."""
    return next((maker.name for names, maker in _ANY_TABLE if names.fullmatch(name)), "")

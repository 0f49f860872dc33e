"""Seeded faults of packet filters: two at once, rules and managers that a reboot changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from preflight.facts.model import Facts
from preflight.facts.model.firewall import Firewall
from rules.cluster import Role
from tests.faults.model import LiveFault, SavedFault
from tests.nodes.firewall import firewall, table


def node(value: Firewall) -> Callable[[Facts], Facts]:
    """The healthy node with another firewall."""
    return lambda facts: replace(facts, firewall=value)


# A service manager of which the lab's private /run can show the state.
OPENRC = "mkdir -p /run/openrc/started /etc/runlevels/default"
# Rules that a program makes anew, and so only the filters fight.
DOCKER_LEGACY = "iptables-legacy -A FORWARD -i docker0 -j ACCEPT"

BOTH = frozenset({"firewall-single-backend"})
BOOT = frozenset({"firewall-persistent"})

FAULTS: tuple[SavedFault | LiveFault, ...] = (
    LiveFault(
        "rules in iptables-legacy and in iptables-nft",
        BOTH,
        DOCKER_LEGACY,
        "iptables-nft -A FORWARD -i docker0 -j ACCEPT",
    ),
    LiveFault(
        "IPv6 rules in iptables-legacy beside an nft table",
        BOTH,
        "ip6tables-legacy -A FORWARD -i virbr0 -j ACCEPT",
        "nft add table ip kube-proxy\n"
        "nft 'add chain ip kube-proxy in { type filter hook input priority 0; }'\n"
        "nft add rule ip kube-proxy in accept",
        role=Role.WORKER,
    ),
    LiveFault(
        "iptables rules made by hand",
        BOOT,
        "iptables-nft -A INPUT -p tcp --dport 6443 -j ACCEPT",
        OPENRC,
    ),
    LiveFault(
        "an nft table made by hand that drops",
        BOOT,
        "nft add table inet own\n"
        "nft 'add chain inet own in { type filter hook input priority 0; policy drop; }'\n"
        "nft add rule inet own in accept",
        OPENRC,
        role=Role.WORKER,
    ),
    LiveFault(
        "legacy rules made by hand",
        BOOT,
        "iptables-legacy -A INPUT -s 192.0.2.0/24 -j ACCEPT",
        OPENRC,
        role=Role.ETCD,
    ),
    LiveFault(
        "a firewall that starts at the next boot",
        BOOT,
        "touch /etc/runlevels/default/nftables",
        OPENRC,
    ),
    SavedFault(
        "firewalld beside legacy rules of a container",
        BOTH,
        node(
            firewall(
                table("nft", "firewalld", "inet", firewalld=12),
                table("iptables-legacy", kubernetes=9),
                firewalld="active+enabled",
            )
        ),
    ),
    SavedFault(
        "ufw was turned off and its rules are still there",
        BOOT,
        node(
            firewall(
                table("iptables-nft", drop="INPUT", ufw=6), ufw=False, ufw_unit="active+enabled"
            )
        ),
    ),
    SavedFault("firewalld is enabled and does not run", BOOT, node(firewall(firewalld="enabled"))),
)

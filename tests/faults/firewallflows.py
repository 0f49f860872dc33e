"""Seeded faults of packet filters: flows kept out, pods stopped, owners that wipe others' rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from preflight.facts.model import Facts
from preflight.facts.model.firewall import RulesetText
from rules.cluster import Role
from tests.faults.firewall import OPENRC
from tests.faults.model import LiveFault, SavedFault
from tests.nodes.firewall import firewall

ADMITS = frozenset({"firewall-admits"})
FORWARDS = frozenset({"firewall-forwards"})
OWNER = frozenset({"firewall-owner"})

# A hand-written table that lets everything in; the faults make it drop. OPENRC: so that it is
# known that no manager runs.
_TABLE = (
    OPENRC
    + """
nft add table inet own
nft 'add chain inet own in { type filter hook input priority 0; policy accept; }'
nft add rule inet own in ct state established,related accept
nft add rule inet own in meta l4proto icmp accept
nft add rule inet own in ip saddr 192.0.2.0/24 tcp dport 2379-2380 accept
"""
)
_POD_RANGE = (
    OPENRC
    + """
mkdir -p /etc/nodeprep
printf 'networking: {podSubnet: 10.244.0.0/16}\\n' > /etc/nodeprep/nodeprep.yaml
"""
)


def rules(text: str, tool: str = "ip6tables-legacy") -> Callable[[Facts], Facts]:
    """The healthy node with these rules beside what its tables say."""
    value = replace(firewall(), rulesets=(RulesetText(tool, text),))
    return lambda facts: replace(facts, firewall=value)


def managed(**managers: str) -> Callable[[Facts], Facts]:
    """The healthy node with these services."""
    return lambda facts: replace(facts, firewall=firewall(**managers))  # type: ignore[arg-type]


_SAVE = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n{rules}\nCOMMIT\n"

FAULTS: tuple[SavedFault | LiveFault, ...] = (
    LiveFault(
        "an nft chain drops the API server's port",
        ADMITS,
        "nft 'chain inet own in { policy drop; }'",
        _TABLE,
    ),
    LiveFault(
        "a legacy rule drops the kubelet's port behind an nft table that accepts it",
        ADMITS,
        "iptables-legacy -I INPUT -p tcp --dport 10250 -j DROP",
        _TABLE + "iptables-legacy -A INPUT -p tcp --dport 9999 -j DROP\n",
        role=Role.WORKER,
    ),
    LiveFault(
        "a rule of nft in a chain of iptables, which iptables-save does not print",
        ADMITS,
        "nft insert rule ip filter INPUT tcp dport { 6443, 10250-10259 } drop",
        "iptables-nft -A INPUT -j ACCEPT\n",
    ),
    LiveFault(
        "a rule of nft on which iptables-save gives up, and a policy that drops",
        ADMITS,
        "nft add rule ip filter INPUT meta priority set 1:1; iptables-nft -P INPUT DROP",
        OPENRC + "\niptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT\n",
    ),
    LiveFault(
        "an ipset lets in half of the nodes' network",
        ADMITS,
        "iptables-nft -I INPUT -m set ! --match-set nodes src -p tcp --dport 6443 -j REJECT",
        "ipset create nodes hash:net\nipset add nodes 192.0.2.0/25\n"
        "iptables-nft -A INPUT -m set --match-set nodes src -j ACCEPT\n",
    ),
    LiveFault(
        "Docker's policy drops what pods send",
        FORWARDS,
        "iptables-nft -P FORWARD DROP",
        _POD_RANGE + "iptables-nft -A FORWARD -i docker0 -j ACCEPT\n",
        role=Role.WORKER,
    ),
    LiveFault(
        "a chain before all others rejects what comes to pods",
        FORWARDS,
        "nft add rule inet own onward ip daddr 10.244.0.0/16 reject",
        _POD_RANGE + _TABLE
        + "nft 'add chain inet own onward { type filter hook forward priority -200; }'\n",
        role=Role.WORKER,
    ),
    SavedFault(
        "a rule that depends on the time of day decides about the kubelet's port",
        ADMITS,
        rules(
            _SAVE.format(
                rules="-A INPUT -p tcp -m tcp --dport 10250 -m time --timestart 08:00:00 -j DROP"
            ),
            "iptables-nft",
        ),
    ),
    SavedFault("nftables.service flushes everything", OWNER, managed(nftables="active+enabled")),
    SavedFault("iptables.service restores whole tables", OWNER, managed(iptables="active+enabled")),
)  # fmt: skip

"""Rules of others, in the shapes that they document: all of them must stay as they are."""

from __future__ import annotations

# kube-proxy (iptables mode) and kubelet, Docker, Calico: what they put into iptables.
IPTABLES = """\
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
{hint}COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD {forward} [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:cali-INPUT - [0:0]
-A INPUT -m comment --comment "cali:Cz_u1IQiXIMmKD4c" -j cali-INPUT
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -j KUBE-FIREWALL
-A INPUT -p tcp -m tcp --dport 8080 -m comment --comment "by hand; -j NODEPREP" -j DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -o docker0 -j DOCKER
-A DOCKER-USER -j RETURN
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A cali-INPUT -p udp -m udp --dport 4789 -j ACCEPT
COMMIT
"""
_HINT = ":KUBE-IPTABLES-HINT - [0:0]\n:KUBE-KUBELET-CANARY - [0:0]\n"


def iptables(*, hint: bool = True, forward_drop: bool = True) -> str:
    """For iptables-restore."""
    return IPTABLES.format(hint=_HINT if hint else "", forward="DROP" if forward_drop else "ACCEPT")


# firewalld's layout, and a table by hand.
NFT = """\
table inet likefirewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state { established, related } accept
		iifname "lo" accept
		jump filter_INPUT_ZONES
	}

	chain filter_INPUT_ZONES {
		iifname "eth7" goto filter_IN_public
	}

	chain filter_IN_public {
		tcp dport 22 accept
	}
}
table ip byhand {
	set friends {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8, 192.168.1.1 }
	}

	chain mine {
		type filter hook input priority 0; policy accept;
		ip saddr @friends counter accept comment "nodeprop"
	}
}
"""
IPSET = "create friends hash:net family inet hashsize 1024 maxelem 65536\nadd friends 10.0.0.0/8\n"

"""kube-proxy's NodePorts, in the shapes of its iptables and nftables modes.

30080 goes to the pod and is masqueraded, 30082 goes to the pod and is not (externalTrafficPolicy:
Local), 30081 goes to an endpoint on the node's own network.
"""

from __future__ import annotations

POD_PORT, HOST_PORT = 8080, 8443

_IPTABLES = """\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-EXT-HOST - [0:0]
:KUBE-EXT-POD - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SEP-HOST - [0:0]
:KUBE-SEP-POD - [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-EXT-HOST -j KUBE-MARK-MASQ
-A KUBE-EXT-HOST -j KUBE-SEP-HOST
-A KUBE-EXT-POD -j KUBE-MARK-MASQ
-A KUBE-EXT-POD -j KUBE-SEP-POD
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-NODEPORTS -p tcp -m tcp --dport 30080 -j KUBE-EXT-POD
-A KUBE-NODEPORTS -p tcp -m tcp --dport 30081 -j KUBE-EXT-HOST
-A KUBE-NODEPORTS -p tcp -m tcp --dport 30082 -j KUBE-SEP-POD
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SEP-HOST -p tcp -m tcp -j DNAT --to-destination {node}:8443
-A KUBE-SEP-POD -p tcp -m tcp -j DNAT --to-destination {pod}:8080
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-FORWARD - [0:0]
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
"""  # noqa: E501

_NFT = """\
table {family} kube-proxy {{
	map service-nodeports {{
		type inet_proto . inet_service : verdict
		elements = {{
			tcp . 30080 : goto external-pod,
			tcp . 30081 : goto external-host,
			tcp . 30082 : goto endpoint-pod,
		}}
	}}

	chain filter-forward {{
		type filter hook forward priority 0; policy accept;
		ct state invalid drop
	}}

	chain nat-prerouting {{
		type nat hook prerouting priority -100; policy accept;
		fib daddr type local meta l4proto . th dport vmap @service-nodeports
	}}

	chain nat-postrouting {{
		type nat hook postrouting priority 100; policy accept;
		meta mark & 0x4000 == 0 return
		meta mark set meta mark ^ 0x4000
		masquerade fully-random
	}}

	chain external-pod {{
		meta mark set meta mark | 0x4000
		goto endpoint-pod
	}}

	chain external-host {{
		meta mark set meta mark | 0x4000
		goto endpoint-host
	}}

	chain endpoint-pod {{
		meta l4proto tcp dnat to {pod}:8080
	}}

	chain endpoint-host {{
		meta l4proto tcp dnat to {node}:8443
	}}
}}
"""


def rules(mode: str, node: str, pod: str) -> tuple[tuple[str, ...], str]:
    """(the program that loads them from stdin, the rules) of one family.

    ``mode``: iptables-nft, iptables-legacy or nft.
    """
    six = ":" in node
    ends = {"node": f"[{node}]", "pod": f"[{pod}]"} if six else {"node": node, "pod": pod}
    if mode == "nft":
        return ("nft", "-f", "-"), _NFT.format(family="ip6" if six else "ip", **ends)
    prefix = mode.replace("iptables", "ip6tables") if six else mode
    return (f"{prefix}-restore", "-w"), _IPTABLES.format(**ends)

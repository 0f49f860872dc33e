"""The failures that users of the reference plugins meet, each put on a real node.

The 25 of the threads (``threads`` cites one), and the 11 by which CHECK was measured. ``conf`` is
the configuration, None for what `cni install` lays down; then a pod lives already (``p1``).
``finds``: the name of the cause by which `cni prove` or `cni doctor` must tell it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.cni.node import bridge

CLUSTER = """
mkdir -p /etc/containerd /etc/nodeprep
cat > /etc/nodeprep/nodeprep.yaml <<'END'
networking: {podSubnet: 10.244.0.0/16}
nodes:
  - {name: lab-node, role: worker, addresses: [192.0.2.11], podSubnet: 10.244.1.0/24}
  - {name: w2, role: worker, addresses: [192.0.2.12], podSubnet: 10.244.2.0/24}
END
printf 'version = 2\\n[plugins."io.containerd.grpc.v1.cri".cni]\\nbin_dir = "/opt/cni/bin"\\n' \\
  > /etc/containerd/config.toml
"""
INSTALL = """
nodeprep cni install > /dev/null
ip netns add p1
nodeprep cni add c1 /run/netns/p1 > /dev/null
"""
# The node's rule and route, as `cni install` makes them, for configurations of the test's own.
RULE = """
nft 'add table ip masq; add chain ip masq post { type nat hook postrouting priority 100; }
     add rule ip masq post ip saddr 10.244.1.0/24 ip daddr != 10.244.0.0/16 masquerade'
ip route add 10.244.2.0/24 via 192.0.2.12
"""
PINNED = "ip link add cni0 address 0a:58:0a:f4:01:01 type bridge"
PODMAN = (
    '{"cniVersion":"0.4.0","name":"podman","plugins":[{"type":"bridge","bridge":"cni-podman0",'
    '"isGateway":true,"ipMasq":true,"ipam":{"type":"host-local","ranges":[[{"subnet":'
    '"10.88.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}}]}'
)


@dataclass(frozen=True)
class Fault:
    """``watch``: containerd must run before the fault comes."""

    number: str
    name: str
    finds: str
    shell: str = ""
    conf: dict[str, Any] | None = None
    watch: bool = False


def own(**changes: Any) -> dict[str, Any]:
    return bridge(ipMasq=False, **changes)


def ranges(*subnets: str, **more: Any) -> dict[str, Any]:
    default = [{"dst": "::/0" if ":" in subnet else "0.0.0.0/0"} for subnet in subnets]
    sets = [[{"subnet": subnet}] for subnet in subnets]
    return {"type": "host-local", "ranges": sets, "routes": default, **more}


FAULTS = (
    Fault(
        "1",
        "the bridge has the address of an earlier network",
        "stale-bridge-address",
        f"{PINNED}; ip addr add 10.99.0.1/24 dev cni0; ip link set cni0 up",
        own(),
    ),
    Fault(
        "2",
        "forceAddress on a bridge without a MAC of its own",
        "bridge-mac",
        "ip link add cni0 type bridge; ip link set cni0 up; ip link add v0 type veth peer name v1; "
        "ip link set v0 master cni0; ip link del v0",
        own(forceAddress=True),
    ),
    Fault(
        "3",
        "the bridge's MAC follows its ports",
        "cni-bridge-sane",
        "ip link add cni0 type bridge; ip addr add 10.244.1.1/24 dev cni0; ip link set cni0 up",
        own(),
    ),
    Fault(
        "4",
        "two ports of a cloned machine share a MAC",
        "mac-unique",
        "ip link add up1 address 52:54:00:12:34:56 type veth peer name lan1 netns peer; "
        "ip address add 198.51.100.11/24 dev up1; ip link set up1 up",
    ),
    Fault(
        "5",
        "leases of dead pods use the range up",
        "addresses-used-up",
        "mkdir -p /var/lib/cni/networks/pods; for i in 2 3 4 5 6; do printf 'dead%s\\r\\neth0' $i "
        "> /var/lib/cni/networks/pods/10.244.1.$i; done; "
        "touch -d '2 hours ago' /var/lib/cni/networks/pods/*",
        own(ipam=ranges("10.244.1.0/29")),
    ),
    Fault(
        "6",
        "rules of pods whose namespace went first",
        "cni-leases-live",
        "ip netns add gone; nodeprep cni add dead /run/netns/gone > /dev/null; ip netns del gone; "
        "nodeprep cni del dead > /dev/null",
        bridge(),
    ),
    Fault(
        "7",
        "DEL fails with iptables-nft after a failed ADD",
        "iptables-nft-delete",
        f"{PINNED}; ip addr add 10.99.0.1/24 dev cni0; ip link set cni0 up",
        bridge(),
    ),
    Fault(
        "8",
        "iptables-legacy drops what iptables-nft lets through",
        "firewall-single-backend",
        "iptables-legacy -P FORWARD DROP",
    ),
    Fault(
        "9",
        "isDefaultGateway and a default route",
        "cni-conf-valid",
        "",
        own(isGateway=None, isDefaultGateway=True),
    ),
    Fault("10", "no hairpin mode", "hairpin", "", own(hairpinMode=False)),
    Fault(
        "11",
        "a promiscuous bridge in place of hairpin mode",
        "promiscuous",
        "",
        own(hairpinMode=False, promiscMode=True),
    ),
    Fault(
        "12",
        "bridged packets pass by the packet filter",
        "bridge-nf-call",
        "echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables",
    ),
    Fault("13", "FORWARD drops (Docker's policy)", "firewall-forwards", "iptables -P FORWARD DROP"),
    Fault("14", "pods send more than the uplink carries", "mtu", "ip link set up0 mtu 1400", own()),
    Fault(
        "15",
        "another product's file comes first",
        "cni-conf-winner",
        f"printf '%s' '{PODMAN}' > /etc/cni/net.d/05-podman.conflist",
    ),
    Fault(
        "16",
        "a plugin's program is missing",
        "cni-plugins-present",
        "rm /opt/cni/bin/host-local",
    ),
    Fault(
        "17",
        "the pod range is the LAN's too",
        "pod-cidr-free",
        "ip route add 10.244.1.0/25 dev up0",
    ),
    Fault(
        "18",
        "no route to another node's pods",
        "node-route-missing",
        "ip route del 10.244.2.0/24",
    ),
    Fault(
        "19",
        "the plugin masquerades between nodes",
        "masquerade-between-nodes",
        "",
        bridge(),
    ),
    Fault(
        "20",
        "IPv6 is switched off on a dual-stack node",
        "ipv6-enabled",
        "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; "
        "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6",
        own(ipam=ranges("10.244.1.0/24", "fd00:10:244:1::/64")),
    ),
    Fault(
        "21",
        "a cniVersion that the plugins do not speak",
        "cni-conf-valid",
        "",
        {**own(), "cniVersion": "1.1.0"},
    ),
    Fault("22", "a key with a typo", "cni-conf-valid", "", own(isGateway=None, isGatway=True)),
    Fault(
        "23",
        "containerd lost its watch on the directory",
        "runtime-network",
        "cp -a /etc/cni/net.d /run/net.d; rm -r /etc/cni/net.d; sleep 0.1; "
        "mv /run/net.d /etc/cni/net.d; sleep 0.1",
        own(),
        watch=True,
    ),
    Fault(
        "24",
        "the range is another node's",
        "cni-conf-valid",
        "",
        own(ipam=ranges("10.244.2.0/24")),
    ),
    Fault(
        "25",
        "a route whose gateway is not there yet",
        "route-unreachable",
        "",
        own(
            ipam=ranges(
                "10.244.1.0/24",
                routes=[
                    {"dst": "198.51.100.0/24", "gw": "203.0.113.1"},
                    {"dst": "0.0.0.0/0"},
                ],
            )
        ),
    ),
    Fault(
        "e1",
        "the NAT rules are flushed",
        "drift:nft",
        "nft flush chain ip nodeprep_pods postrouting",
    ),
    Fault("e2", "ip_forward is 0", "ip-forward", "echo 0 > /proc/sys/net/ipv4/ip_forward"),
    Fault(
        "e3",
        "FORWARD drops behind a living pod",
        "firewall-forwards",
        "iptables -P FORWARD DROP",
    ),
    Fault("e4", "the bridge is down", "cni-bridge-sane", "ip link set cni0 down"),
    Fault("e5", "the bridge has no address", "drift:bridge", "ip addr flush dev cni0"),
    Fault(
        "e6",
        "a pod's MTU was changed",
        "pod-mtu",
        "ip netns exec p1 ip link set eth0 mtu 1300",
    ),
    Fault(
        "e7",
        "a more specific route into the pod range",
        "host-to-pod",
        "ip route add 10.244.1.0/25 dev up0",
    ),
    Fault(
        "e8",
        "a pod's interface is off the bridge",
        "pod-unplugged",
        "ip link set $(ip -br link show master cni0 | cut -d@ -f1) nomaster",
    ),
    Fault(
        "e9",
        "a pod has no default route",
        "pod-route",
        "ip netns exec p1 ip route del default",
    ),
    Fault(
        "e10",
        "a living pod's lease is gone",
        "lease-lost",
        "rm /var/lib/cni/networks/pods/10.244.1.2",
    ),
    Fault(
        "e11",
        "a pod's interface is down",
        "pod-link-down",
        "ip netns exec p1 ip link set eth0 down",
    ),
)

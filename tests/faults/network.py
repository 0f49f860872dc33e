"""Seeded faults of interfaces, addresses, routes and ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from preflight.facts.model import Facts
from preflight.facts.model.network import Interface, LinkManager, LinkRule
from tests.faults.model import LiveFault, SavedFault
from tests.nodes.network import eth0, healthy, interface, loopback, route

CLUSTER = "/etc/nodeprep-lab.yaml"
CONFIGURED = ("--offline", "--config", CLUSTER)
DUAL_STACK = f"""
cat > {CLUSTER} <<'END'
networking:
  podSubnet: 10.244.0.0/16,fd00:10:244::/56
  serviceSubnet: 10.96.0.0/12,fd00:10:96::/112
END
echo 0 > /proc/sys/net/ipv6/conf/up0/disable_ipv6
ip address add 2001:db8::11/64 dev up0 nodad
ip route add default via 2001:db8::1 dev up0
"""
KUBEADM = "/etc/kubeadm-lab.yaml"
BY_KUBEADM = ("--offline", "--kubeadm-config", KUBEADM)
ADVERTISE = f"""
cat > {KUBEADM} <<'END'
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: 192.0.2.11}}
END
"""
PODS = f"""
cat > {CLUSTER} <<'END'
networking: {{podSubnet: 10.244.0.0/16}}
END
"""
VXLAN = f"""
cat > {CLUSTER} <<'END'
networking: {{podSubnet: 10.244.0.0/16}}
cni: {{name: flannel}}
END
"""
# A second card, in a network of its own.
SECOND = """
ip link add up1 address 52:54:00:12:34:57 type veth peer name lan1 netns peer
ip link set up1 up
ip -n peer link set lan1 up
ip address add 198.51.100.11/24 dev up1
echo 2 > /proc/sys/net/ipv4/conf/up0/rp_filter
echo 2 > /proc/sys/net/ipv4/conf/up1/rp_filter
"""


def ids(*words: str) -> frozenset[str]:
    return frozenset(words)


LIVE = (
    LiveFault(
        "two interfaces with one MAC",
        ids("mac-unique"),
        "ip link set up1 address 52:54:00:12:34:56",
        SECOND,
    ),
    LiveFault(
        "an interface without an address",
        ids("interface-address"),
        "ip address del 198.51.100.11/24 dev up1",
        SECOND,
    ),
    LiveFault(
        "an interface with a link-local address only",
        ids("interface-address"),
        "ip address del 198.51.100.11/24 dev up1 && ip address add 169.254.7.7/16 dev up1",
        SECOND,
    ),
    LiveFault(
        "no network card connected",
        ids("interface-connected"),
        "ip -n peer link set lan0 down",
    ),
    LiveFault("no default route", ids("default-route"), "ip route del default"),
    LiveFault(
        "two default routes of one metric",
        ids("default-route"),
        "ip route append default via 198.51.100.1 dev up1",
        SECOND,
    ),
    LiveFault(
        "no IPv6 default route in a dual-stack cluster",
        ids("default-route"),
        "ip -6 route del default",
        DUAL_STACK,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "two interfaces in one subnet",
        ids("subnets-distinct"),
        "ip address del 198.51.100.11/24 dev up1 && ip address add 192.0.2.99/24 dev up1",
        SECOND,
    ),
    LiveFault(
        "the pod range inside a route of table 100",
        ids("pod-cidr-free"),
        "ip route add 10.240.0.0/12 via 192.0.2.1 table 100",
        PODS,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "docker0 in the pod range",
        ids("pod-cidr-free"),
        "ip link add docker0 type bridge && ip address add 10.244.0.1/24 dev docker0 && "
        "ip link set docker0 up",
        PODS,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "a blackhole route in the pod range",
        ids("pod-cidr-free"),
        "ip route add blackhole 10.244.7.0/24",
        PODS,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "a VPN route over the IPv6 pod range",
        ids("pod-cidr-free"),
        "ip -6 route add fd00:10:244::/48 via 2001:db8::1 dev up0 table 77",
        DUAL_STACK,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "libvirt's bridge in the service range",
        ids("service-cidr-free"),
        "ip link add virbr0 type bridge && ip address add 10.97.0.1/24 dev virbr0",
    ),
    LiveFault(
        "a link of 600 bytes under VXLAN",
        ids("mtu-fits"),
        "ip link set up0 mtu 600",
        VXLAN,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "a link of 1300 bytes under VXLAN in a dual-stack cluster",
        ids("mtu-fits"),
        "ip link set up0 mtu 1300",
        DUAL_STACK + f"echo 'cni: {{name: flannel}}' >> {CLUSTER}\n",
        arguments=CONFIGURED,
    ),
    LiveFault(
        "an ARP answer from a clone on the link",
        ids("address-duplicate"),
        "ip -n peer address add 192.0.2.11/24 dev lan0",
        arguments=(),
    ),
    LiveFault(
        "a clone with the same MAC on the link",
        ids("address-duplicate", "mac-unique"),
        "ip -n peer link set lan0 down && ip -n peer link set lan0 address 52:54:00:12:34:56 && "
        "ip -n peer link set lan0 up && ip -n peer address add 192.0.2.11/24 dev lan0",
        arguments=(),
    ),
    LiveFault(
        "a neighbour that answers with this machine's MAC",
        ids("mac-unique"),
        "ip neighbour replace 192.0.2.50 lladdr 52:54:00:12:34:56 dev up0 nud stale",
    ),
    LiveFault(
        "an IPv6 address that another machine has",
        ids("address-duplicate"),
        "ip -n peer address add 2001:db8::12/64 dev lan0 nodad\n"
        "echo 1 > /proc/sys/net/ipv6/conf/up0/accept_dad\n"
        "ip address add 2001:db8::12/64 dev up0\n"
        "for try in $(seq 50); do ip address show dev up0 dadfailed | grep -q . && break; "
        "sleep 0.1; done",
    ),
    LiveFault(
        "the NAT address of VirtualBox",
        ids("node-address"),
        "ip route replace default via 10.0.2.2 dev up1",
        SECOND + "ip address replace 10.0.2.15/24 dev up1\n"
        "ip address del 198.51.100.11/24 dev up1\nsed -i /lab-node/d /etc/hosts\n",
    ),
    LiveFault(
        "the node's name leads to another interface",
        ids("node-address"),
        "sed -i 's/^192.0.2.11/198.51.100.11/' /etc/hosts",
        SECOND,
    ),
    LiveFault(
        "an advertise address that is on no interface",
        ids("node-address"),
        f"sed -i s/192.0.2.11/192.0.2.99/ {KUBEADM}",
        ADVERTISE,
        arguments=BY_KUBEADM,
    ),
    LiveFault(
        "kubeadm and the kubelet take addresses of different cards",
        ids("node-address"),
        f"sed -i s/192.0.2.11/198.51.100.11/ {KUBEADM}",
        SECOND + ADVERTISE,
        arguments=BY_KUBEADM,
    ),
    LiveFault(
        "Flannel would tunnel from the card of the default route, the kubelet has the other",
        ids("node-address"),
        f"sed -i s/192.0.2.11/198.51.100.11/ {KUBEADM} /etc/hosts",
        SECOND + VXLAN + ADVERTISE,
        arguments=(*CONFIGURED, "--kubeadm-config", KUBEADM),
    ),
    LiveFault(
        "the service range within the pod range",
        ids("cidrs-disjoint"),
        f"sed -i 's,}},\\, serviceSubnet: 10.244.128.0/20}},' {CLUSTER}",
        PODS,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "a node inside the service range",
        ids("cidrs-disjoint"),
        f"sed -i s/192.0.2.22/10.96.0.7/ {CLUSTER}",
        f"""{PODS}
cat >> {CLUSTER} <<'END'
nodes:
  - {{name: w1, role: worker, addresses: [192.0.2.21]}}
  - {{name: w2, role: worker, addresses: [192.0.2.22]}}
END
""",
        arguments=CONFIGURED,
    ),
    LiveFault(
        "a pod range smaller than a node's share",
        ids("cidr-capacity"),
        f"sed -i s,10.244.0.0/16,10.244.0.0/25, {CLUSTER}",
        PODS,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "a service range of eight addresses",
        ids("cidr-capacity"),
        f"sed -i 's,}},\\, serviceSubnet: 10.96.0.0/29}},' {CLUSTER}",
        PODS,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "IPv6 switched off for new interfaces in a dual-stack cluster",
        ids("ipv6-enabled"),
        "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6",
        DUAL_STACK,
        arguments=CONFIGURED,
    ),
    LiveFault(
        "a strict reverse-path filter on a machine with two networks",
        ids("reverse-path-filter"),
        "echo 1 > /proc/sys/net/ipv4/conf/up1/rp_filter",
        SECOND,
    ),
    LiveFault(
        "an address leased by DHCP",
        ids("address-lease"),
        "ip address change 192.0.2.11/24 dev up0 valid_lft 3600 preferred_lft 3600",
    ),
)


def change(**values: Any) -> Callable[[Facts], Facts]:
    """The healthy network with other values."""
    return lambda facts: replace(facts, network=replace(healthy(), **values))


def saved(name: str, finds: str, change: Callable[[Facts], Facts], **more: Any) -> SavedFault:
    return SavedFault(name, frozenset({finds}), change, **more)


def with_card(item: Interface) -> Callable[[Facts], Facts]:
    """A second card beside the healthy one."""
    return change(interfaces=(loopback(), eth0(), item))


SECOND_CARD = interface("eth1", 3, "198.51.100.11/24")
SAVED = (
    saved(
        "a card whose MAC is all zeros",
        "mac-unique",
        with_card(replace(SECOND_CARD, mac="00:00:00:00:00:00")),
    ),
    saved(
        "a card whose MAC is a group's",
        "mac-unique",
        with_card(replace(SECOND_CARD, mac="01:00:5e:00:00:01")),
    ),
    saved(
        "one of two bond members is a copy of the other",
        "mac-unique",
        change(
            interfaces=(
                loopback(),
                replace(eth0(), name="bond0", index=5, kind="bond", hardware=False),
                replace(eth0(), port_of="bond0", addresses=(), permanent_mac="52:54:00:00:00:01"),
                replace(
                    eth0(),
                    name="eth1",
                    index=3,
                    port_of="bond0",
                    addresses=(),
                    permanent_mac="52:54:00:00:00:01",
                ),
            ),
            routes=(route("default", "bond0", "192.0.2.1"),),
            duplicate_probes=(),
        ),
    ),
    saved(
        "no network card at all",
        "interface-connected",
        change(interfaces=(loopback(), replace(eth0(), kind="dummy", hardware=False))),
    ),
    saved(
        "NetworkManager takes the pod network's interfaces",
        "cni-links-unmanaged",
        change(link_managers=(LinkManager("NetworkManager", (), claims_unnamed=True),)),
    ),
    saved(
        "networkd configures every interface",
        "cni-links-unmanaged",
        change(
            link_managers=(
                LinkManager(
                    "systemd-networkd",
                    (LinkRule("/etc/systemd/network/50-all.network", ("*",), managed=True),),
                ),
            )
        ),
    ),
    saved(
        "networkd removes routes that it does not know",
        "cni-links-unmanaged",
        change(
            link_managers=(
                LinkManager("systemd-networkd", (), removes_foreign=("ManageForeignRoutes",)),
            )
        ),
    ),
)
FAULTS: tuple[SavedFault | LiveFault, ...] = LIVE + SAVED

"""Errors to be put in rules: for each, what it does to nft's text and to iptables' texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from rules.cluster import Cluster, Node, Role, Sources
from rules.policy import policy
from rules.record import record

CLUSTER = Cluster(
    nodes=(
        Node("m1", Role.MASTER, (ip_address("192.0.2.11"), ip_address("2001:db8::11"))),
        Node("w1", Role.WORKER, (ip_address("192.0.2.21"), ip_address("2001:db8::21"))),
    ),
    pod_subnets=(ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56")),
    sources=Sources(
        admins=(ip_network("203.0.113.0/24"), ip_network("2001:db8:ad::/64")),
        node_ports=(ip_network("198.51.100.0/24"), ip_network("2001:db8:c::/48")),
    ),
)
WORKER = policy(Role.WORKER, CLUSTER)
IPV4_ONLY = Cluster(
    nodes=tuple(Node(node.name, node.role, node.addresses[:1]) for node in CLUSTER.nodes),
    pod_subnets=CLUSTER.pod_subnets[:1],
    sources=Sources(admins=CLUSTER.sources.admins[:1], node_ports=CLUSTER.sources.node_ports[:1]),
)
Edit = Callable[[str], str]


def swap(pattern: str, replacement: str) -> Edit:
    """Every line that the pattern is in, with it replaced."""
    return lambda text: re.sub(pattern, replacement, text)


def without(pattern: str) -> Edit:
    """No line that the pattern is in."""
    return lambda text: re.sub(rf"(?m)^.*{pattern}.*\n", "", text)


@record
class Seed:
    """``unexpected``, ``missing`` and ``read`` are patterns of what must be found; empty of the
    first two: nothing is."""

    name: str
    nft: Edit
    iptables: Edit
    unexpected: str = ""
    missing: str = ""
    read: str = ""


SEEDS = (
    Seed(
        "a port off by one",
        swap(r"dport 10250", "dport 10251"),
        swap(r"--dport 10250", "--dport 10251"),
        r"^input: tcp 10251 from 192\.0\.2\.11 ",
        r"^input: tcp 10250 from 192\.0\.2\.11 ",
    ),
    Seed(
        "a range one longer",
        swap(r"\b30000-32767\b", "30000-32768"),
        swap(r"\b30000:32767\b", "30000:32768"),
        r"^forward-dnat: tcp 32768 from 198\.51\.100",
    ),
    Seed(
        "a source one bit too wide",
        swap(r"\b203\.0\.113\.0/24\b", "203.0.112.0/23"),
        swap(r"\b203\.0\.113\.0/24\b", "203.0.112.0/23"),
        r"^input: tcp 22 from 203\.0\.112\.255 \(edge\)",
    ),
    Seed(
        "one strange address more",
        swap(
            r"(?m)^(.*ip saddr )203\.0\.113\.0/24( tcp dport 22 .*\n)",
            r"\g<1>203.0.113.0/24\2\g<1>8.8.8.8\2",
        ),
        swap(
            r"(?m)^(.*-s )203\.0\.113\.0/24( .*--dport 22 .*\n)",
            r"\g<1>203.0.113.0/24\2\g<1>8.8.8.8/32\2",
        ),
        r"^input: tcp 22 from 8\.8\.8\.8 \(edge\)",
    ),
    Seed(
        "a source too narrow in IPv6",
        swap(r"2001:db8:c::/48", "2001:db8:c::/49"),
        swap(r"2001:db8:c::/48", "2001:db8:c::/49"),
        missing=r"^forward-dnat: tcp 30000-32767 from 2001:db8:c:",
    ),
    Seed(
        "a flow for everybody",
        swap(r"ip saddr 203\.0\.113\.0/24 (tcp dport 22)", r"meta nfproto ipv4 \1"),
        swap(r"-s 203\.0\.113\.0/24 (.*--dport 22)", r"\1"),
        r"^input: tcp 22 from .*outside",
    ),
    Seed(
        "a dropped flow",
        without(r"nodeprep:ssh"),
        without(r"nodeprep:ssh"),
        missing=r"^input: tcp 22 from .*admins",
    ),
    Seed(
        "no neighbour discovery",
        without(r"nodeprep:icmpv6-neighbours"),
        without(r"nodeprep:icmpv6-neighbours"),
        missing=r"^input: icmp type 135 from 2.*outside",
    ),
    Seed(
        "no path MTU in IPv4",
        without(r"nodeprep:icmp-errors"),
        without(r"nodeprep:icmp-errors"),
        missing=r"^input: icmp type 3 from .*outside",
    ),
    Seed(
        "no lease",
        without(r"nodeprep:dhcp-client"),
        without(r"nodeprep:dhcp-client"),
        missing=r"^input: udp 68 from .*outside",
    ),
    Seed(
        "no answers",
        without(r"nodeprep:established"),
        without(r"nodeprep:established"),
        missing=r"^input: tcp that answers from .*outside",
    ),
    Seed(
        "no errors about own connections",
        swap(r"established,related", "established"),
        swap(r"RELATED,ESTABLISHED", "ESTABLISHED"),
        missing=r"^input: icmp error that answers from .*outside",
    ),
    Seed(
        "no loopback",
        without(r"nodeprep:loopback"),
        without(r"nodeprep:loopback"),
        missing=r"^input: tcp 10250 from 127\.0\.0\.1",
    ),
    Seed(
        "NodePorts in INPUT only",
        without(r"daddr .*ct original proto-dst.*"),
        without(r"-A NODEPREP-FORWARD .*--ctorigdstport.*"),
        missing=r"^forward-dnat: tcp 30000-32767 from 198\.51\.100",
    ),
    Seed(
        "NodePorts by their port after translation",
        swap(r"meta l4proto (tcp|udp|sctp) ct original proto-dst", r"\1 dport"),
        swap(r"-p (tcp|udp|sctp) -m conntrack --ctorigdstport", r"-p \1 -m \1 --dport"),
        missing=r"^input-dnat: udp 30000-32767 from 198\.51\.100",
    ),
    Seed(
        "an IP protocol for everybody",
        swap(
            r"(?m)^(.*)ip saddr \S+ (tcp dport 22 accept.*)\n", r"\g<0>\1meta l4proto 47 accept\n"
        ),
        swap(
            r"(?m)^-A (\S+) -s \S+ (-p tcp .*--dport 22 .*)-j (\S+)\n", r"\g<0>-A \1 -p 47 -j \3\n"
        ),
        r"^input: protocol 47 from .*outside",
    ),
    Seed(
        "a port of all SCTP",
        swap(
            r"(?m)^(.*)ip saddr \S+ (tcp dport 22 accept.*)\n", r"\g<0>\1sctp dport 4711 accept\n"
        ),
        swap(
            r"(?m)^-A (\S+) -s \S+ (-p tcp .*--dport 22 .*)-j (\S+)\n",
            r"\g<0>-A \1 -p sctp -m sctp --dport 4711 -j \3\n",
        ),
        r"^input: sctp 4711 from .*outside",
    ),
    Seed(
        "one address more, on a port that no flow has",
        swap(
            r"(?m)^(.*)ip saddr \S+ (tcp dport 22 accept.*)\n",
            r"\g<0>\1ip saddr 100.64.1.1 tcp dport 9 accept\n",
        ),
        swap(
            r"(?m)^-A (\S+) -s [\d./]+ (-p tcp .*--dport 22 .*)-j (\S+)\n",
            r"\g<0>-A \1 -s 100.64.1.1 -p tcp -m tcp --dport 9 -j \3\n",
        ),
        r"^input: tcp 9 from 100\.64\.1\.1 ",
    ),
)
# Errors in what is dropped: under enforce only.
ENFORCED = (
    Seed(
        "nothing is dropped",
        without(r"drop comment .nodeprep:enforce"),
        without(r"-j DROP"),
        r"^input: tcp 0-\d+ from .*outside",
    ),
    Seed(
        "half of the pods' range is open",
        swap(r"(daddr )10\.244\.0\.0/16( counter drop)", r"\g<1>10.244.0.0/17\2"),
        swap(r"-d 10\.244\.0\.0/16(.*-j DROP)", r"-d 10.244.0.0/17\1"),
        r"^forward: .*",
    ),
    Seed(
        "one pod is open to everybody",
        swap(
            r"(?m)^(.*)ip daddr 10\.244\.0\.0/16 counter drop.*\n",
            r"\1ip daddr 10.244.7.7 accept\n\g<0>",
        ),
        swap(
            r"(?m)^-A (\S+) -d 10\.244\.0\.0/16 .*-j DROP\n",
            r"-A \1 -d 10.244.7.7 -j RETURN\n\g<0>",
        ),
        r"^forward: to 10\.244\.7\.7 .*",
    ),
    Seed(
        "one pod is shut to all",
        swap(
            r"(?m)^(.*)ip saddr 10\.244\.0\.0/16 accept.*\n",
            r"\1ip daddr 10.244.7.7 drop\n\g<0>",
        ),
        swap(
            r"(?m)^-A (\S+) -s 10\.244\.0\.0/16 -m comment .*\n",
            r"-A \1 -d 10.244.7.7 -j DROP\n\g<0>",
        ),
        missing=r"^forward: to 10\.244\.7\.7 .*",
    ),
    Seed(
        "other forwarding is dropped too",
        swap(r"ip daddr 10\.244\.0\.0/16 counter drop", "counter drop"),
        swap(r"-d 10\.244\.0\.0/16 (.*-j DROP)", r"\1"),
        missing=r"^transit: tcp .* from .*outside",
    ),
)


def _first(nft: str, iptables: str) -> tuple[Edit, Edit]:
    """A rule before all of ours in INPUT."""
    return (
        swap(r'iifname "lo" accept', rf'{nft}\n\t\tiifname "lo" accept'),
        swap(r"(?m)^(-A \S*INPUT) -i lo ", rf"\1 {iptables}\n\1 -i lo "),
    )


# What no probe varies: only reading the loaded rules finds it. The pattern is of what it says.
READ = tuple(
    Seed(name, *_first(nft, iptables), read=pattern)
    for name, nft, iptables, pattern in (
        (
            "packets of some lengths come in",
            "meta length 1000-1100 accept",
            "-m length --length 1000:1100 -j ACCEPT",
            "to the node: cannot be told",
        ),
        (
            "packets from one port come in",
            "tcp sport 53 accept",
            "-p tcp --sport 53 -j ACCEPT",
            "^tcp 0-21 from anywhere",
        ),
        (
            "packets from one MAC come in",
            "ether saddr 02:00:00:00:00:01 accept",
            "-m mac --mac-source 02:00:00:00:00:01 -j ACCEPT",
            "to the node: cannot be told",
        ),
        (
            "packets of one class of service are dropped",
            "ip dscp 46 drop",
            "-m dscp --dscp 46 -j DROP",
            "cannot be told",
        ),
    )
)

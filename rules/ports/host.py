"""What every host needs, whatever runs on it: a way in for its operators, ICMP, a lease."""

from __future__ import annotations

from rules.flows import EVERY_ROLE, Flow, Group, Protocol

ANYONE = frozenset({Group.ANYWHERE})
PEERS = frozenset({Group.NODES, Group.ETCD, Group.ADMINS, Group.LOAD_BALANCERS})
ICMPV6_FILTERING = "https://www.rfc-editor.org/rfc/rfc4890"
V4, V6 = frozenset({4}), frozenset({6})


def _icmp(
    id: str,
    protocol: Protocol,
    types: tuple[int, ...],
    sources: frozenset[Group],
    why: str,
    source: str,
) -> Flow:
    return Flow(
        id,
        "kernel",
        protocol,
        None,
        sources,
        EVERY_ROLE,
        why,
        source,
        binds=False,
        families=V6 if protocol is Protocol.ICMPV6 else V4,
        icmp_types=types,
    )


_ICMP = (
    _icmp(
        "icmp-errors",
        Protocol.ICMP,
        (3, 11, 12),
        ANYONE,
        "path MTU discovery (type 3, code 4) and other errors, from any router on the way",
        "https://www.rfc-editor.org/rfc/rfc1191",
    ),
    _icmp(
        "icmp-echo",
        Protocol.ICMP,
        (8,),
        PEERS,
        "ping between nodes, from operators and from health checks",
        "https://www.rfc-editor.org/rfc/rfc792",
    ),
    _icmp(
        "icmpv6-errors",
        Protocol.ICMPV6,
        (1, 2, 3, 4),
        ANYONE,
        "path MTU discovery (type 2) and other errors, from any router on the way",
        ICMPV6_FILTERING,
    ),
    _icmp(
        "icmpv6-neighbours",
        Protocol.ICMPV6,
        (133, 134, 135, 136, 137),
        ANYONE,
        "neighbour discovery: without it IPv6 is dead",
        ICMPV6_FILTERING,
    ),
    _icmp(
        "icmpv6-multicast",
        Protocol.ICMPV6,
        (130, 131, 132, 143),
        ANYONE,
        "multicast listener discovery, which neighbour discovery needs on a snooping switch",
        ICMPV6_FILTERING,
    ),
    _icmp(
        "icmpv6-echo",
        Protocol.ICMPV6,
        (128,),
        PEERS,
        "ping between nodes, from operators and from health checks",
        ICMPV6_FILTERING,
    ),
)

_HOST = (
    Flow(
        "ssh",
        "sshd",
        Protocol.TCP,
        (22, 22),
        frozenset({Group.ADMINS}),
        EVERY_ROLE,
        "operators and automation log in; without it they are locked out",
        "https://www.rfc-editor.org/rfc/rfc4253",
        process="sshd",
        binds=False,
    ),
    Flow(
        "dhcp-client",
        "DHCP client",
        Protocol.UDP,
        (68, 68),
        ANYONE,
        EVERY_ROLE,
        "answers of the DHCP server, which connection tracking does not always recognise",
        "https://www.rfc-editor.org/rfc/rfc2131",
        binds=False,
        optional=True,
        when="the node's IPv4 address is leased",
        families=V4,
    ),
    Flow(
        "dhcpv6-client",
        "DHCP client",
        Protocol.UDP,
        (546, 546),
        ANYONE,
        EVERY_ROLE,
        "answers of the DHCPv6 server, which go to a multicast question",
        "https://www.rfc-editor.org/rfc/rfc8415",
        binds=False,
        optional=True,
        when="the node's IPv6 address is leased",
        families=V6,
    ),
)

ROWS = (*_ICMP, *_HOST)

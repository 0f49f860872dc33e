"""What other tools let in by default, for one cluster of several masters and workers on Calico.

Read in their sources at these revisions: cluster-api-provider-aws 2cf09d785, -gcp 5e0bb3b2, -azure
69ec3a40a, kops 268927e264, kubespray 46dbdd399. Where the way to the API leads through a load
balancer that the tool makes, it counts as open to whom that is open to. The operator's addresses,
the NodePort clients and the version of IP are those of ``CLUSTER``.
"""

from __future__ import annotations

from ipaddress import ip_network

from rules.cloud.peer import Peer, network_peer, role_peer
from rules.cloud.rule import Place, Rule
from rules.cluster import CniChoice
from rules.intervals import Interval
from tests.rules.render.clusters import cluster

CLUSTER = cluster(cni=CniChoice("calico", "ipip"))
MASTERS, WORKERS = "multi-master", "worker"
BOTH = (MASTERS, WORKERS)
WORLD = network_peer(ip_network("0.0.0.0/0"))
ADMINS = network_peer(CLUSTER.sources.admins[0])
# Everybody else in the same network of the cloud.
NETWORK = network_peer(ip_network("10.0.0.0/16"))
NODES = (role_peer(MASTERS), role_peer(WORKERS))
TCP, UDP, ICMP, IPIP, ALL = 6, 17, 1, 4, None
NODE_PORTS = (30000, 32767)


def let(
    to: tuple[str, ...], peers: tuple[Peer, ...], protocol: int | None, *ports: Interval
) -> list[Rule]:
    return [
        Rule(receiver, Place.NODE, (4,), peer, protocol, interval)
        for receiver in to
        for peer in peers
        for interval in ports or (None,)
    ]


def _port(*numbers: int) -> list[Interval]:
    return [(number, number) for number in numbers]


_M, _W = (MASTERS,), (WORKERS,)
_FROM_M, _FROM_W = (role_peer(MASTERS),), (role_peer(WORKERS),)

TOOLS: dict[str, list[Rule]] = {
    "Cluster API, AWS": [
        *let(_M, (WORLD, *NODES), TCP, (6443, 6443)),
        *let(_M, _FROM_M, TCP, (2379, 2380)),
        *let(BOTH, NODES, TCP, (10250, 10250)),
        # The nodes' group is attached to machines of the control plane too.
        *let(BOTH, (WORLD,), TCP, NODE_PORTS),
        *let(BOTH, NODES, TCP, (179, 179)),
        *let(BOTH, NODES, IPIP),
    ],
    "Cluster API, Google": [
        *let(BOTH, NODES, ALL),
        *let(_M, (WORLD,), TCP, (6443, 6443)),
    ],
    "Cluster API, Azure": [
        # Azure's own rule, which is left standing.
        *let(BOTH, (*NODES, NETWORK), ALL),
        *let(_M, (WORLD,), TCP, (6443, 6443), (22, 22)),
    ],
    "kops, AWS": [
        *let(_M, (ADMINS,), TCP, (6443, 6443)),
        *let(_M, _FROM_W, TCP, (1, 2379), (2382, 4000), (4003, 65535)),
        *let(_M, _FROM_W, UDP, (1, 65535)),
        *let(_M, _FROM_W, IPIP),
        *let(_M, _FROM_M, ALL),
        *let(_W, NODES, ALL),
        *let(_W, (WORLD,), TCP, NODE_PORTS),
        *let(_W, (WORLD,), UDP, NODE_PORTS),
        *let(BOTH, (ADMINS,), TCP, (22, 22)),
    ],
    "kops, Google": [
        *let(_M, (ADMINS,), TCP, (6443, 6443)),
        *let(
            _M,
            _FROM_W,
            TCP,
            *_port(6443, 10250, 3988, 10257, 10259, 10249, 2382, 2384, 9100, 179),
        ),
        *let(_M, _FROM_W, IPIP),
        *let(_M, _FROM_M, ALL),
        *let(_W, NODES, ALL),
        *let(_W, (WORLD,), TCP, NODE_PORTS),
        *let(_W, (WORLD,), UDP, NODE_PORTS),
        *let(BOTH, (ADMINS,), TCP, (22, 22)),
    ],
    "kubespray, AWS": [
        *let(BOTH, (*NODES, NETWORK), ALL),
        *let(BOTH, (WORLD,), TCP, (22, 22)),
        *let(_M, (WORLD,), TCP, (6443, 6443)),
    ],
    "kubespray, OpenStack": [
        *let(BOTH, NODES, ALL),
        *let(_M, (ADMINS,), TCP, (6443, 6443)),
        *let(BOTH, (ADMINS,), TCP, (22, 22)),
        *let(_W, (WORLD,), TCP, NODE_PORTS),
    ],
}

"""Matrix x cluster x role -> Policy. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rules import cnis
from rules.cluster import Cluster, Role
from rules.flows import Flow, Need
from rules.ports import ROWS
from rules.record import record
from rules.version import Version


@record
class Policy:
    """The flows of one role in one cluster.

    ``flows`` are what the node needs, the rows for itself only included; ``optional`` are rows
    that apply to it and are neither opened nor demanded unless asked for. All carry the port
    numbers of this cluster and the address families that it uses.
    """

    role: Role
    cluster: Cluster
    flows: tuple[Flow, ...]
    optional: tuple[Flow, ...] = ()

    @property
    def admitted(self) -> tuple[Flow, ...]:
        """The flows to the node itself that a firewall must let in from elsewhere."""
        return tuple(flow for flow in self.flows if not flow.local and not flow.to_pods)

    @property
    def forwarded(self) -> tuple[Flow, ...]:
        """The flows to pods on the node: a firewall must forward them, and no socket gets them."""
        return tuple(flow for flow in self.flows if flow.to_pods)

    @property
    def local(self) -> tuple[Flow, ...]:
        """The flows of the node with itself: never to be opened."""
        return tuple(flow for flow in self.flows if flow.local)

    @property
    def bound(self) -> tuple[Flow, ...]:
        """The flows whose port a program on this node (or its kernel) binds itself.

        One flow for each protocol and port range; ``process``, ``bind`` and ``loopback_only``
        say by whom and where.
        """
        found: dict[tuple[str, tuple[int, int]], Flow] = {}
        for flow in self.flows:
            if flow.binds and flow.ports is not None:
                found.setdefault((flow.protocol, flow.ports), flow)
        return tuple(found.values())


def policy(
    role: Role,
    cluster: Cluster,
    *,
    version: Version | None = None,
    proxy_disabled: bool = False,
    wanted: Collection[str] = (),
) -> Policy:
    """The flows that ``role`` needs with the cluster's version, CNI, ports and etcd layout.

    ``version`` where it is not the cluster file's. ``wanted`` are ids of optional rows that this
    cluster needs. Raises UsageError for an unknown CNI or mode (``rules.cnis.find``).
    """
    minor = cluster.kubernetes_version if version is None else version
    profile, mode = cnis.find(cluster.cni)
    has = {
        Need.STACKED_ETCD: role.control_plane and not cluster.external_etcd,
        Need.KUBE_PROXY: profile.kube_proxy and not (proxy_disabled or mode.replaces_proxy),
    }
    flows: list[Flow] = []
    optional: list[Flow] = []
    for row in _rows(role, minor, (*ROWS, *profile.flows_in(mode))):
        if row.need is not None and not has[row.need]:
            continue
        flow = _resolved(row, role, cluster)
        if not flow.families:
            continue
        (optional if flow.optional and flow.id not in wanted else flows).append(flow)
    return Policy(role, cluster, tuple(flows), tuple(optional))


def _rows(role: Role, minor: Version, rows: tuple[Flow, ...]) -> Iterator[Flow]:
    return (row for row in rows if role in row.roles and row.applies_to(minor))


def _resolved(row: Flow, role: Role, cluster: Cluster) -> Flow:
    """The row for this role alone, with the cluster's own numbers and families.

    A loopback address exists in both families, whatever the cluster uses.
    """
    ports = row.ports
    if row.setting == "api_server":
        ports = (cluster.ports.api_server, cluster.ports.api_server)
    elif row.setting == "node_ports":
        ports = cluster.ports.node_ports
    return row.but(
        ports=ports,
        roles=frozenset({role}),
        families=row.families if row.loopback_only else row.families & frozenset(cluster.families),
    )

"""Matrix x cluster x role -> Policy. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rules.cluster import Cluster, Role
from rules.flows import Flow


@dataclass(frozen=True)
class Policy:
    """The flows of one role in one cluster. ``flows`` includes the loopback-only rows."""

    role: Role
    cluster: Cluster
    flows: tuple[Flow, ...]

    @property
    def admitted(self) -> tuple[Flow, ...]:
        """The flows that a firewall must let in from elsewhere."""
        return tuple(flow for flow in self.flows if not flow.local)

    @property
    def bound(self) -> tuple[Flow, ...]:
        """The flows whose port a program on this node binds itself."""
        return tuple(flow for flow in self.flows if flow.binds and flow.ports is not None)


def policy(role: Role, cluster: Cluster) -> Policy:
    """The flows that ``role`` needs with the cluster's version, CNI, ports and etcd layout."""
    return Policy(role, cluster, ())

"""A problem of a network configuration, and what the configuration is held against. Pure values."""

from __future__ import annotations

from collections.abc import Mapping

from rules.cluster import IPNetwork
from rules.record import field, record

ERROR, WARNING = "error", "warning"


@record
class Problem:
    """Something wrong: where, what it causes, what to write instead.

    ``code`` is a stable word (``unknown-key``). ``place`` as in ``plugins[0].ipam.ranges[0][0]``,
    empty for the file as a whole. ``message`` is one line without the place. ``level``:
    ``error`` (pods get no network, or a wrong one) or ``warning``.
    """

    code: str
    place: str
    message: str
    remedy: str
    level: str = ERROR


@record
class Context:
    """The node and cluster that a configuration is for; every field may be left empty.

    ``pod_subnets`` and ``service_subnets`` are the cluster's, ``node_subnets`` what the cluster
    file gives this node. ``node_count``: nodes that the cluster file names. ``newest_spec``: the
    newest cniVersion that the runtime reads, ``runtime`` its name for the messages.
    ``plugin_specs``: plugin type -> the cniVersions that its VERSION named. ``uplink_mtu`` in
    bytes. ``max_pods`` of the kubelet.
    """

    pod_subnets: tuple[IPNetwork, ...] = ()
    service_subnets: tuple[IPNetwork, ...] = ()
    node_subnets: tuple[IPNetwork, ...] = ()
    node_count: int = 0
    newest_spec: str = "1.1.0"
    runtime: str = "the runtime"
    plugin_specs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    uplink_mtu: int | None = None
    max_pods: int = 0

"""A node's card: what must be its own, what must be as everybody's, and where it is. Pure."""

from __future__ import annotations

from typing import Any

from preflight.facts.codec import encode
from preflight.facts.model.known import Known, Unknown
from preflight.facts.model.network import TimeSync
from rules.record import field, record

SCHEMA_VERSION = 1
KIND = "Card"
# Longer names come from nobody's machine; a report shows this much of them.
LABEL_LENGTH = 63


@record
class CardInterface:
    """An interface that leads to other machines.

    ``mac``: the address that nobody else should have, empty where sharing it is the rule (bonds,
    VLANs, VRRP). ``addresses`` with their prefix lengths; only those that others can reach.
    """

    name: str
    mac: str
    mtu: int
    addresses: tuple[str, ...] = ()


@record
class Card:
    """One node as the others need to know it.

    ``cluster`` is the cluster's name, with which ``machine_id``, ``product_uuid``, ``boot_id``,
    ``cloud_instance`` and ``ssh_host_keys`` are hashed (``preflight.fleet.seal``): equal values
    stay equal within the cluster, and tell nothing outside of it. None: this machine has none.
    ``collected`` UTC by the node's own clock. ``role`` is empty where nobody said it.
    ``addresses`` are those by which the node is known, one a family, and ``mtu`` their link's, in
    bytes.
    ``node_pod_subnets`` is this node's part of ``pod_subnets``. ``routes`` of the main table.
    ``runtime`` is name and version. ``firewall`` names what holds rules; ``admits`` maps a flow
    (``10250/tcp``) to what the rules do with it: admitted, dropped, rejected or unknown.
    """

    nodeprep: str
    collected: str
    cluster: str
    node: str
    role: str
    hostname: Known[str]
    machine_id: Known[str | None]
    product_uuid: Known[str | None]
    boot_id: Known[str | None]
    cloud_instance: Known[str | None]
    ssh_host_keys: Known[tuple[str, ...]]
    boot_time: Known[float]
    utc_offset_minutes: Known[int]
    clock: Known[TimeSync]
    interfaces: Known[tuple[CardInterface, ...]]
    addresses: tuple[str, ...]
    mtu: Known[int]
    routes: Known[tuple[str, ...]]
    pod_subnets: tuple[str, ...]
    service_subnets: tuple[str, ...]
    node_pod_subnets: Known[tuple[str, ...]]
    control_plane_endpoint: str
    dns_domain: str
    proxy_mode: str
    cni: str
    cni_mode: str
    external_etcd: bool
    kubernetes: str
    kubelet: Known[str | None]
    kubeadm: Known[str | None]
    runtime: Known[str | None]
    kubelet_cgroup_driver: Known[str | None]
    runtime_cgroup_driver: Known[str | None]
    os: str
    kernel: str
    architecture: str
    firewall: Known[tuple[str, ...]]
    admits: Known[dict[str, str]]


@record
class Filed:
    """A card and where it came from.

    ``written``: when the file was last written, in seconds since 1970 by the reader's clock; None
    for what came by standard input. ``label`` is the node's name as reports say it: with the file
    behind it where two cards have one name.
    """

    card: Card
    source: str
    written: float | None = None
    label: str = ""


@record
class Misfit:
    """A card that is not compared: where it is, what is wrong, and what to do."""

    source: str
    problem: str
    remedy: str
    nodes: tuple[str, ...] = ()
    compared: bool = False


@record
class Deck:
    """The cards that are compared, and those that are not. ``cluster`` is the name they share."""

    cluster: str
    cards: tuple[Filed, ...]
    misfits: tuple[Misfit, ...] = field(default_factory=tuple)


def document(card: Card) -> dict[str, Any]:
    """The JSON contract ``kind: Card`` (docs/schemas/card.schema.json)."""
    return {"schema_version": SCHEMA_VERSION, "kind": KIND, **encode(card)}


def shown(name: str) -> str:
    """A name of a card for a report: not longer than a host name may be."""
    return name if len(name) <= LABEL_LENGTH else f"{name[: LABEL_LENGTH - 3]}..."


__all__ = ["Card", "CardInterface", "Deck", "Filed", "Known", "Misfit", "Unknown", "document"]

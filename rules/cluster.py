"""The cluster as the policy sees it: nodes, roles, ranges, who may send. Pure values."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from rules.record import field, record
from rules.version import NEWEST, Version

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


class Role(str, Enum):
    """What a node is to be. ``control-plane`` is accepted as another word for ``master``."""

    MASTER = "master"
    WORKER = "worker"
    MULTI_MASTER = "multi-master"
    ETCD = "etcd"

    @classmethod
    def named(cls, word: str) -> Role | None:
        """The role that a person means by a word; None where no role is called that."""
        if word == "control-plane":
            return cls.MASTER
        return next((role for role in cls if role.value == word), None)

    @property
    def control_plane(self) -> bool:
        """Whether an API server runs here."""
        return self in (Role.MASTER, Role.MULTI_MASTER)

    @property
    def runs_kubelet(self) -> bool:
        """Every role but an external etcd member is a Kubernetes node."""
        return self is not Role.ETCD

    def __str__(self) -> str:
        return self.value


@record
class CniChoice:
    """The pod network: a name of ``rules.cnis`` and one of its modes (empty: its default)."""

    name: str = "bridge"
    mode: str = ""


@record
class Node:
    """A machine of the cluster file."""

    name: str
    role: Role
    addresses: tuple[IPAddress, ...]
    pod_subnets: tuple[IPNetwork, ...] = ()


@record
class Sources:
    """Who, outside the cluster, may send. Empty: nobody, except where the field says otherwise.

    ``node_ports``: who may reach NodePort services.
    """

    admins: tuple[IPNetwork, ...] = ()
    node_ports: tuple[IPNetwork, ...] = ()
    load_balancers: tuple[IPNetwork, ...] = ()
    monitoring: tuple[IPNetwork, ...] = ()


@record
class PortNumbers:
    """The ports that a cluster may choose. ``node_ports`` is (first, last), both included."""

    api_server: int = 6443
    node_ports: tuple[int, int] = (30000, 32767)


# kubeadm's default; it has none for pods (https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/).
DEFAULT_SERVICE_SUBNETS: tuple[IPNetwork, ...] = (ip_network("10.96.0.0/12"),)
# kubeadm's default for clusterName, of the same page.
DEFAULT_NAME = "kubernetes"


@record
class Cluster:
    """Everything that several nodes share. Every field has the default that kubeadm would take.

    ``group_networks``: networks of a source group by its word (``rules.flows.Group``), beside the
    addresses of ``nodes`` and the fields that name some.
    """

    name: str = DEFAULT_NAME
    kubernetes_version: Version = NEWEST
    pod_subnets: tuple[IPNetwork, ...] = ()
    service_subnets: tuple[IPNetwork, ...] = DEFAULT_SERVICE_SUBNETS
    control_plane_endpoint: str = ""
    cni: CniChoice = field(default_factory=CniChoice)
    proxy_mode: str = "iptables"
    nodes: tuple[Node, ...] = ()
    sources: Sources = field(default_factory=Sources)
    ports: PortNumbers = field(default_factory=PortNumbers)
    external_etcd: bool = False
    dns_domain: str = "cluster.local"
    group_networks: tuple[tuple[str, tuple[IPNetwork, ...]], ...] = ()

    @property
    def families(self) -> tuple[int, ...]:
        """The address families in use: 4, 6 or both; those of the ranges and node addresses."""
        addresses = [address for node in self.nodes for address in node.addresses]
        named = [network for _, networks in self.group_networks for network in networks]
        versions = {
            item.version for item in (*self.pod_subnets, *self.service_subnets, *addresses, *named)
        }
        return tuple(sorted(versions)) or (4,)

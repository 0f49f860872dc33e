"""The kubelet, kube-proxy, NodePorts and what goes to pods."""

from __future__ import annotations

from rules.cluster import Role
from rules.flows import FROM_SELF, KUBELETS, MASTERS, Bind, Flow, Group, Need, Protocol
from rules.version import Version

PORTS = "https://kubernetes.io/docs/reference/networking/ports-and-protocols/"
NUMBERS = "https://github.com/kubernetes/kubernetes/blob/master/pkg/cluster/ports/ports.go"
SERVICES = "https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport"
WORKERS = frozenset({Role.WORKER})
FROM_OUTSIDE = frozenset({Group.NODE_PORT_CLIENTS, Group.LOAD_BALANCERS})

_KUBELET = (
    Flow(
        "kubelet-api",
        "kubelet",
        Protocol.TCP,
        (10250, 10250),
        frozenset({Group.MASTERS}),
        KUBELETS,
        "the API server fetches logs, runs exec and port-forward",
        PORTS,
        process="kubelet",
    ),
    Flow(
        "kubelet-metrics",
        "kubelet",
        Protocol.TCP,
        (10250, 10250),
        frozenset({Group.WORKERS, Group.PODS, Group.MONITORING}),
        KUBELETS,
        "metrics-server runs on any node and asks every kubelet, without or with address "
        "translation on its way; so does monitoring",
        "https://docs.rke2.io/install/requirements",
        process="kubelet",
        binds=False,
    ),
    Flow(
        "kubelet-healthz",
        "kubelet",
        Protocol.TCP,
        (10248, 10248),
        FROM_SELF,
        KUBELETS,
        "kubeadm waits for it; bound to loopback",
        NUMBERS,
        process="kubelet",
        bind=Bind.LOOPBACK,
    ),
    Flow(
        "kubelet-read-only",
        "kubelet",
        Protocol.TCP,
        (10255, 10255),
        FROM_SELF,
        KUBELETS,
        "the kubelet's API without authentication, on every address",
        "https://github.com/kubernetes/kubernetes/pull/64187",
        until=Version(1, 10),
        process="kubelet",
    ),
    Flow(
        "kubelet-read-only-flag",
        "kubelet",
        Protocol.TCP,
        (10255, 10255),
        FROM_SELF,
        KUBELETS,
        "the kubelet's API without authentication, on every address",
        "https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/",
        since=Version(1, 11),
        process="kubelet",
        optional=True,
        when="readOnlyPort is set in the kubelet's configuration",
    ),
    Flow(
        "cadvisor",
        "kubelet",
        Protocol.TCP,
        (4194, 4194),
        FROM_SELF,
        KUBELETS,
        "cAdvisor's own page; removed in 1.12",
        "https://github.com/kubernetes/kubernetes/pull/65707",
        until=Version(1, 11),
        process="kubelet",
        optional=True,
        when="--cadvisor-port is not 0, which kubeadm sets",
    ),
)

_PROXY = (
    Flow(
        "kube-proxy-healthz",
        "kube-proxy",
        Protocol.TCP,
        (10256, 10256),
        frozenset({Group.LOAD_BALANCERS}),
        KUBELETS,
        "cloud load balancers ask whether this node still takes Service traffic",
        NUMBERS,
        process="kube-proxy",
        need=Need.KUBE_PROXY,
    ),
    Flow(
        "kube-proxy-metrics",
        "kube-proxy",
        Protocol.TCP,
        (10249, 10249),
        FROM_SELF,
        KUBELETS,
        "metrics over plain HTTP; bound to loopback",
        NUMBERS,
        process="kube-proxy",
        bind=Bind.LOOPBACK,
        need=Need.KUBE_PROXY,
    ),
    Flow(
        "kube-proxy-monitoring",
        "kube-proxy",
        Protocol.TCP,
        (10249, 10249),
        frozenset({Group.MONITORING}),
        KUBELETS,
        "metrics over plain HTTP",
        NUMBERS,
        process="kube-proxy",
        optional=True,
        when="metricsBindAddress is not loopback",
        need=Need.KUBE_PROXY,
    ),
)


def _node_ports(protocol: Protocol) -> tuple[Flow, Flow]:
    """The row of workers, and that of masters, which only some clusters want."""
    workers = Flow(
        f"node-ports-{protocol.value}",
        "NodePort Services",
        protocol,
        (30000, 32767),
        FROM_OUTSIDE,
        WORKERS,
        "clients and load balancers reach Services through any node"
        + ("; healthCheckNodePort is one of these too" if protocol is Protocol.TCP else ""),
        SERVICES,
        binds=False,
        setting="node_ports",
    )
    masters = workers.but(
        id=f"node-ports-{protocol.value}-masters",
        roles=MASTERS,
        optional=True,
        when="Services are to be reached through control-plane nodes too",
    )
    return workers, masters


_SCTP = tuple(
    row.but(
        since=Version(1, 19),
        optional=True,
        when="a Service has protocol SCTP",
        source="https://kubernetes.io/docs/reference/networking/service-protocols/",
    )
    for row in _node_ports(Protocol.SCTP)
)

_TO_PODS = (
    Flow(
        "control-plane-to-pods",
        "kube-apiserver",
        Protocol.TCP,
        (1, 65535),
        frozenset({Group.MASTERS}),
        KUBELETS,
        "the API server calls admission webhooks, aggregated APIs such as metrics-server, and "
        "proxies to pods, each on a port of its own choice",
        "https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/",
        binds=False,
        to_pods=True,
    ),
)

ROWS = (
    *_KUBELET,
    *_PROXY,
    *_node_ports(Protocol.TCP),
    *_node_ports(Protocol.UDP),
    *_SCTP,
    *_TO_PODS,
)

"""What many clusters add. Every row is optional: neither opened nor demanded unless asked for."""

from __future__ import annotations

from rules.cluster import Role
from rules.flows import EVERY_ROLE, FROM_NODES, KUBELETS, MASTERS, Bind, Flow, Group, Protocol

FROM_MASTERS = frozenset({Group.MASTERS})
FROM_MONITORING = frozenset({Group.MONITORING})
FROM_PODS = frozenset({Group.PODS})
FROM_SELF = frozenset({Group.SELF})
WORKERS = frozenset({Role.WORKER})

KONNECTIVITY = (
    "https://github.com/kubernetes-sigs/apiserver-network-proxy/blob/master/cmd/server/app/options/"
    "options.go"
)
NODE_LOCAL_DNS = "https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/"
METALLB = "https://metallb.io/#requirements"
CLOUD_PROVIDER = "https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/cloud-provider/ports.go"


def _row(
    id: str,
    component: str,
    protocol: Protocol,
    port: int | None,
    sources: frozenset[Group],
    roles: frozenset[Role],
    why: str,
    source: str,
    when: str,
    *,
    process: str = "",
    bind: Bind = Bind.ANY,
) -> Flow:
    return Flow(
        id,
        component,
        protocol,
        None if port is None else (port, port),
        sources,
        roles,
        why,
        source,
        process=process,
        binds=port is not None,
        optional=True,
        when=when,
        bind=bind,
    )


_CONTROL_PLANE = (
    _row(
        "cloud-controller-manager",
        "cloud-controller-manager",
        Protocol.TCP,
        10258,
        FROM_MONITORING,
        MASTERS,
        "health and metrics over HTTPS",
        CLOUD_PROVIDER,
        "a cloud controller manager runs here",
        process="cloud-controlle",
    ),
    _row(
        "cloud-controller-manager-webhook",
        "cloud-controller-manager",
        Protocol.TCP,
        10260,
        FROM_MASTERS,
        MASTERS,
        "the API server calls the cloud's webhooks",
        CLOUD_PROVIDER,
        "the cloud controller manager serves webhooks",
        process="cloud-controlle",
    ),
    _row(
        "konnectivity-agents",
        "konnectivity-server",
        Protocol.TCP,
        8132,
        FROM_NODES,
        MASTERS,
        "agents on the nodes hold the tunnel through which the API server reaches nodes and pods",
        KONNECTIVITY,
        "konnectivity runs; its numbers differ by installer, read its manifest",
        process="proxy-server",
    ),
    _row(
        "konnectivity-admin",
        "konnectivity-server",
        Protocol.TCP,
        8133,
        FROM_SELF,
        MASTERS,
        "administration of the tunnel",
        KONNECTIVITY,
        "konnectivity runs; its numbers differ by installer, read its manifest",
        process="proxy-server",
        bind=Bind.LOOPBACK,
    ),
    _row(
        "vrrp",
        "keepalived",
        Protocol.VRRP,
        None,
        FROM_MASTERS,
        MASTERS,
        "masters agree who holds the virtual address (IP protocol 112, to 224.0.0.18 or ff02::12)",
        "https://www.rfc-editor.org/rfc/rfc5798",
        "keepalived or another VRRP speaker holds the control-plane endpoint's address",
    ),
)

_NODE = (
    _row(
        "node-local-dns-tcp",
        "node-local-dns",
        Protocol.TCP,
        53,
        FROM_PODS,
        KUBELETS,
        "pods of this node ask its own cache, on a link-local address",
        NODE_LOCAL_DNS,
        "NodeLocal DNSCache runs",
        process="node-cache",
        bind=Bind.NODE,
    ),
    _row(
        "node-local-dns-udp",
        "node-local-dns",
        Protocol.UDP,
        53,
        FROM_PODS,
        KUBELETS,
        "pods of this node ask its own cache, on a link-local address",
        NODE_LOCAL_DNS,
        "NodeLocal DNSCache runs",
        process="node-cache",
        bind=Bind.NODE,
    ),
    _row(
        "node-local-dns-metrics",
        "node-local-dns",
        Protocol.TCP,
        9253,
        FROM_MONITORING,
        KUBELETS,
        "metrics over plain HTTP",
        NODE_LOCAL_DNS,
        "NodeLocal DNSCache runs",
        process="node-cache",
    ),
    _row(
        "ingress-http",
        "ingress controller",
        Protocol.TCP,
        80,
        frozenset({Group.NODE_PORT_CLIENTS, Group.LOAD_BALANCERS}),
        WORKERS,
        "clients reach an ingress controller on the node's own address",
        "https://kubernetes.github.io/ingress-nginx/deploy/baremetal/",
        "an ingress controller uses the host's network",
    ),
    _row(
        "ingress-https",
        "ingress controller",
        Protocol.TCP,
        443,
        frozenset({Group.NODE_PORT_CLIENTS, Group.LOAD_BALANCERS}),
        WORKERS,
        "clients reach an ingress controller on the node's own address",
        "https://kubernetes.github.io/ingress-nginx/deploy/baremetal/",
        "an ingress controller uses the host's network",
    ),
    _row(
        "metallb-tcp",
        "MetalLB speaker",
        Protocol.TCP,
        7946,
        FROM_NODES,
        KUBELETS,
        "speakers agree which of them announces an address",
        METALLB,
        "MetalLB runs in layer 2 mode",
        process="speaker",
    ),
    _row(
        "metallb-udp",
        "MetalLB speaker",
        Protocol.UDP,
        7946,
        FROM_NODES,
        KUBELETS,
        "speakers agree which of them announces an address",
        METALLB,
        "MetalLB runs in layer 2 mode",
        process="speaker",
    ),
    _row(
        "metallb-metrics",
        "MetalLB speaker",
        Protocol.TCP,
        7472,
        FROM_MONITORING,
        KUBELETS,
        "metrics over plain HTTP",
        METALLB,
        "MetalLB runs",
        process="speaker",
    ),
    _row(
        "node-exporter",
        "node-exporter",
        Protocol.TCP,
        9100,
        FROM_MONITORING,
        EVERY_ROLE,
        "metrics of the host over plain HTTP",
        "https://github.com/prometheus/node_exporter#readme",
        "node-exporter runs",
        process="node_exporter",
    ),
)

ROWS = (*_CONTROL_PLANE, *_NODE)

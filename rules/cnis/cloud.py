"""Networks in which a cloud, or kind's containers, route the pods' own addresses."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile, Transport
from rules.cnis.rows import Rows
from rules.flows import Bind


def profiles() -> tuple[Profile, ...]:
    """kindnet, AWS VPC CNI, GKE and Azure CNI."""
    return (_kindnet(), _aws(), _gke(), _azure())


def _kindnet() -> Profile:
    return Profile(
        "kindnet",
        "kindnet",
        (Mode("routed", "a route for each node's pod range", transport=Transport.ROUTED),),
        "https://github.com/kubernetes-sigs/kind/blob/main/images/kindnetd/cmd/kindnetd/cni.go",
        modules=("veth",),
        sysctls=(("net.ipv4.ip_forward", "1"),),
        conf_files=("10-kindnet.conflist",),
        binaries=("ptp", "host-local", "portmap", "loopback"),
        ipam="host-local",
        files=("/run/cni-ipam-state",),
        notes=(
            "Pods get the MTU of eth0. Leases are on a tmpfs, so a restart forgets them.",
            "In a cloud, rules must name the pod range: group members are nodes, not pods.",
        ),
    )


def _aws() -> Profile:
    readme = "https://github.com/aws/amazon-vpc-cni-k8s/blob/master/README.md"
    rows = Rows("aws-vpc", readme)
    return Profile(
        "aws-vpc",
        "Amazon VPC CNI",
        (
            Mode(
                "eni",
                "pods have addresses of the node's network interfaces",
                transport=Transport.CLOUD,
                notes=(
                    "Pods take the security groups of their node's interface: what pods serve must "
                    "be open in the node's group, unless custom networking or groups for pods are "
                    "used.",
                ),
            ),
        ),
        readme,
        flows=(
            rows.own("metrics-own", 61678, "metrics, on every address", "aws-k8s-agent",
                     bind=Bind.ANY),
            rows.own("introspection", 61679, "the state of its addresses", "aws-k8s-agent"),
            rows.own("ipamd", 50051, "the plugin asks for an address", "aws-k8s-agent"),
            rows.metrics("metrics", 61678, "aws-k8s-agent", when="monitoring reads them"),
        ),
        modules=("veth",),
        conf_files=("10-aws.conflist",),
        binaries=("aws-cni", "egress-cni", "portmap", "loopback"),
        ipam="ipamd, from the VPC",
        files=("/var/run/aws-node",),
        links=("eni*",),
        notes=(
            "Interfaces and pods have an MTU of 9001; 1500 counts through an internet gateway and "
            "between regions, 8500 through a transit gateway.",
            "DISABLE_METRICS closes 61678.",
        ),
    )  # fmt: skip


def _gke() -> Profile:
    return Profile(
        "gke",
        "Google Cloud alias addresses",
        (
            Mode(
                "alias-ip",
                "each node's pod range is an alias of its interface",
                transport=Transport.CLOUD,
            ),
            Mode(
                "dataplane-v2",
                "as alias-ip, with Cilium's programs in kube-proxy's place",
                transport=Transport.CLOUD,
                replaces_proxy=True,
                source="https://cloud.google.com/kubernetes-engine/docs/concepts/dataplane-v2",
            ),
        ),
        "https://cloud.google.com/kubernetes-engine/docs/concepts/alias-ips",
        default_mode="alias-ip",
        modules=("veth",),
        conf_files=("10-containerd-net.conflist",),
        binaries=("ptp", "host-local", "portmap", "loopback"),
        ipam="host-local, with the node's pod range",
        notes=(
            "A firewall rule that names tags does not match alias addresses: name the pod range as "
            "the source.",
            "The VPC's MTU is 1460 unless set (1300 to 8896).",
        ),
    )


def _azure() -> Profile:
    docs = "https://learn.microsoft.com/en-us/azure/aks/concepts-network-cni-overview"
    return Profile(
        "azure",
        "Azure CNI",
        (
            Mode("vnet", "pods have addresses of the node's interface", transport=Transport.CLOUD),
            Mode("overlay", "pods have addresses that the VNet maps", transport=Transport.CLOUD),
        ),
        docs,
        default_mode="vnet",
        modules=("veth",),
        conf_files=("10-azure.conflist",),
        binaries=("azure-vnet", "azure-vnet-ipam", "portmap", "loopback"),
        ipam="azure-vnet-ipam",
        files=("/var/run/azure-vnet.json",),
        links=("azv*",),
        notes=(
            "An application security group does not match pod addresses: name the pod range as the "
            "source.",
            "168.63.129.16 must never be blocked on the host. The MTU is 1500.",
        ),
    )

"""The plugins of containernetworking/plugins that make a pod network on Linux by themselves."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile, Transport

_DOCS = "https://www.cni.dev/plugins/current/main"
_ROUTES = (
    "Nothing passes between nodes but the pods' own packets: each node needs a route to every "
    "other node's pod range, or the cloud's route table has them.",
    "A cloud must accept the pod range as a source, and must not check source and destination "
    "addresses on the nodes.",
)
_LINK = (
    "Pods are machines of their own on the node's link: the switch (or hypervisor) must accept "
    "several MACs on the port, which AWS, GCP and Azure do not.",
    "The host's packet filter does not see this traffic, and kube-proxy cannot serve it.",
)


def profiles() -> tuple[Profile, ...]:
    """The plugins by name."""
    return (_bridge(), _ptp(), _vlan(), _ipvlan(), _macvlan(), _host_device())


def _routed(title: str) -> Mode:
    return Mode("routed", title, transport=Transport.ROUTED)


def _bridge() -> Profile:
    return Profile(
        "bridge",
        "bridge plugin",
        (_routed("pod ranges routed between nodes"),),
        f"{_DOCS}/bridge/",
        linux_bridge=True,
        modules=("bridge", "veth", "br_netfilter"),
        sysctls=(("net.ipv4.ip_forward", "1"),),
        conf_files=(
            "10-nodeprep.conflist",
            "10-crio-bridge.conflist",
            "10-containerd-net.conflist",
        ),
        binaries=("bridge", "host-local", "portmap", "loopback"),
        ipam="host-local",
        files=("/var/lib/cni/networks",),
        links=("cni0",),
        notes=_ROUTES,
    )


def _ptp() -> Profile:
    return Profile(
        "ptp",
        "ptp plugin",
        (_routed("a veth pair and a host route for each pod"),),
        f"{_DOCS}/ptp/",
        modules=("veth",),
        sysctls=(("net.ipv4.ip_forward", "1"),),
        binaries=("ptp", "host-local", "portmap", "loopback"),
        ipam="host-local",
        files=("/var/lib/cni/networks",),
        notes=_ROUTES,
    )


def _vlan() -> Profile:
    return Profile(
        "vlan",
        "vlan plugin",
        (Mode("tagged", "an 802.1Q sub-interface for each pod", transport=Transport.LINK),),
        f"{_DOCS}/vlan/",
        modules=("8021q",),
        binaries=("vlan", "host-local", "loopback"),
        ipam="host-local, dhcp or static",
        conntrack=False,
        notes=(
            "The tag is 4 bytes on the wire, outside the MTU; the switch port must be a trunk "
            "that carries the VLAN. Clouds have none.",
            "The host's packet filter does not see this traffic, and kube-proxy cannot serve it.",
        ),
    )


def _ipvlan() -> Profile:
    return Profile(
        "ipvlan",
        "ipvlan plugin",
        (
            Mode(
                "l2",
                "on the node's link, with the node's MAC",
                transport=Transport.LINK,
                notes=("Pod traffic passes by the host's packet filter altogether.",),
            ),
            Mode(
                "l3",
                "routed by the parent, without broadcast",
                transport=Transport.ROUTED,
                notes=(
                    "Upstream routers need routes to the pods. What pods send crosses OUTPUT and "
                    "POSTROUTING of the host; what they get does not cross its filter.",
                ),
            ),
            Mode(
                "l3s",
                "as l3, through the host's connection tracking",
                transport=Transport.ROUTED,
                notes=("Upstream routers need routes to the pods.",),
            ),
        ),
        f"{_DOCS}/ipvlan/",
        modules=("ipvlan",),
        binaries=("ipvlan", "host-local", "loopback"),
        ipam="host-local, dhcp or static",
        conntrack=False,
        notes=("A pod cannot reach the host that it runs on, nor the host its pods.",),
    )


def _macvlan() -> Profile:
    return Profile(
        "macvlan",
        "macvlan plugin",
        tuple(
            Mode(name, title, transport=Transport.LINK)
            for name, title in (
                ("bridge", "pods of a node reach each other directly"),
                ("private", "pods of a node do not reach each other"),
                ("vepa", "a switch with hairpin mode carries what pods of a node exchange"),
                ("passthru", "one pod takes the whole parent"),
            )
        ),
        f"{_DOCS}/macvlan/",
        modules=("macvlan",),
        binaries=("macvlan", "host-local", "loopback"),
        ipam="host-local, dhcp or static",
        conntrack=False,
        notes=("The host cannot reach its own pods, nor they the host.", *_LINK),
    )


def _host_device() -> Profile:
    return Profile(
        "host-device",
        "host-device plugin",
        (Mode("moved", "a device of the host moves into the pod", transport=Transport.LINK),),
        f"{_DOCS}/host-device/",
        binaries=("host-device", "host-local", "loopback"),
        ipam="host-local, dhcp or static",
        conntrack=False,
        notes=_LINK,
    )

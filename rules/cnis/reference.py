"""The plugins of containernetworking/plugins that make a pod network on Linux by themselves."""

from __future__ import annotations

from rules.cnis.profile import Mode, Profile

_DOCS = "https://www.cni.dev/plugins/current/main/"


def profiles() -> tuple[Profile, ...]:
    """The plugins by name."""
    return (_bridge(),)


def _bridge() -> Profile:
    return Profile(
        "bridge",
        "bridge plugin with host-local",
        (Mode("routed", "pod ranges routed between nodes", routed=True),),
        f"{_DOCS}bridge/",
        linux_bridge=True,
        modules=("bridge", "veth", "br_netfilter"),
        kernel_options=("BRIDGE", "VETH", "BRIDGE_NETFILTER"),
        sysctls=(("net.ipv4.ip_forward", "1"),),
        conf_files=("10-nodeprep.conflist",),
        binaries=("bridge", "host-local", "loopback", "portmap"),
        ipam="host-local",
        files=("/var/lib/cni/networks",),
        links=("cni0",),
        notes=(
            "Nothing passes between nodes but the pods' own packets: each node needs a route to "
            "every other node's pod range, or the cloud's route table must have it.",
            "A cloud must accept the pod range as a source and must not check source and "
            "destination addresses.",
        ),
    )

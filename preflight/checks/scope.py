"""What several subjects ask about a node before they judge it: its role, families, kernel needs."""

from __future__ import annotations

from preflight.checks.registry import Judgement, skipped, undetermined
from preflight.facts.model import Facts, Unknown, known_or
from preflight.facts.model.hardware import Hardware
from preflight.target import Target
from rules.cluster import Node, Role
from rules.cnis import Mode, Profile, find
from rules.version import Version, parse_version

KUBELET_DIRECTORY = "/var/lib/kubelet"
RUNTIME_DIRECTORIES = {
    "containerd": "/var/lib/containerd",
    "crio": "/var/lib/containers",
    "docker": "/var/lib/docker",
}


def is_node(facts: Facts, target: Target) -> bool:
    """Whether a kubelet runs here: by its role, or because one is installed (static etcd)."""
    if target.role.runs_kubelet:
        return True
    if isinstance(facts.runtime, Unknown):
        return False
    return known_or(facts.runtime.kubelet, None) is not None


def own_node(facts: Facts, target: Target) -> Node | None:
    """This machine in the cluster file: by the name that it is given there, else its own."""
    name = target.settings.node_name or (
        "" if isinstance(facts.identity, Unknown) else facts.identity.hostname
    )
    return next((node for node in target.cluster.nodes if node.name == name), None)


def runs_etcd(target: Target) -> bool:
    """Whether an etcd member is to run here: by itself, or stacked on a control plane."""
    stacked = target.role.control_plane and not target.cluster.external_etcd
    return stacked or target.role is Role.ETCD


def not_a_node() -> Judgement:
    """What a check of nodes says about an external etcd member."""
    return skipped("no kubelet runs on this etcd member, so nothing here depends on it")


def kubelet_version(facts: Facts, target: Target) -> Version:
    """The kubelet's on the node, else the version that is to be."""
    if not isinstance(facts.runtime, Unknown):
        kubelet = known_or(facts.runtime.kubelet, None)
        if kubelet is not None and (version := parse_version(kubelet.version)):
            return version
    return target.version


def families(target: Target) -> tuple[int, ...]:
    """The address families that the cluster or this node uses."""
    settings = target.settings
    own = [*settings.node_ips, *filter(None, [settings.advertise_address])]
    return tuple(sorted({*target.cluster.families, *(address.version for address in own)}))


def pod_network(target: Target) -> tuple[Profile, Mode]:
    """The profile of the wanted pod network, and its mode."""
    return find(target.cluster.cni)


def runs_proxy(target: Target) -> bool:
    """Whether kube-proxy runs on nodes of this cluster."""
    profile, mode = pod_network(target)
    replaced = mode.replaces_proxy or not profile.kube_proxy
    return not target.settings.proxy_disabled and not replaced


def runtime_directory(facts: Facts, target: Target) -> str:
    """Where the container runtime keeps images and containers: of the one found or configured."""
    socket = target.settings.cri_socket
    if not isinstance(facts.runtime, Unknown):
        for server in known_or(facts.runtime.cri_servers, ()):
            if server.api and not socket:
                socket = server.socket
        if not socket:
            for config in known_or(facts.runtime.runtime_configs, ()):
                return RUNTIME_DIRECTORIES.get(config.runtime, RUNTIME_DIRECTORIES["containerd"])
    for name, words in (("crio", ("crio",)), ("docker", ("docker", "cri-dockerd"))):
        if any(word in socket for word in words):
            return RUNTIME_DIRECTORIES[name]
    return RUNTIME_DIRECTORIES["containerd"]


def os_family(facts: Facts) -> str:
    """debian, ubuntu, rhel or empty: which package manager a remedy may name."""
    if isinstance(facts.system, Unknown):
        return ""
    name = facts.system.os_id
    if name in ("rhel", "centos", "rocky", "almalinux", "fedora", "ol", "amzn"):
        return "rhel"
    return name if name in ("debian", "ubuntu") else ""


def no_file_system(hardware: Hardware, path: str) -> Judgement:
    """What a check says about a path whose file system did not answer."""
    why = hardware.file_systems_unknown.get(path, "these facts do not tell its file system")
    return undetermined(why, subject=path)

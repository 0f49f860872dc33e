"""nodeprep.yaml: the cluster file. What it may hold, and how each key is read."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

from preflight.config import checknames, values
from preflight.config.layer import Layer
from preflight.config.section import Fields, Section
from preflight.config.yamlfile import Mapping, read_documents
from rules.cluster import CniChoice, IPNetwork, Node, Role
from rules.errors import ConfigError

FIELDS: Fields = {
    "clusterName": None,
    "kubernetesVersion": None,
    "networking": {
        "podSubnet": None,
        "serviceSubnet": None,
        "dnsDomain": None,
        "nodeCIDRMaskSizeIPv4": None,
        "nodeCIDRMaskSizeIPv6": None,
    },
    "controlPlaneEndpoint": None,
    "advertiseAddress": None,
    "cni": {"name": None, "mode": None},
    "nodes": [{"name": None, "role": None, "addresses": None, "podSubnet": None}],
    "sources": {"admins": None, "nodePorts": None, "loadBalancers": None, "monitoring": None},
    "ports": {"apiServer": None, "nodePorts": None},
    "nodeName": None,
    "nodeIP": None,
    "criSocket": None,
    "certificatesDir": None,
    "kubelet": {
        "cgroupDriver": None,
        "failSwapOn": None,
        "swapBehavior": None,
        "resolvConf": None,
        "failCgroupV1": None,
        "maxPods": None,
    },
    "etcd": {
        "dataDir": None,
        "external": {"endpoints": None, "caFile": None, "certFile": None, "keyFile": None},
    },
    "proxy": {"mode": None, "disabled": None},
    "ignore": None,
    "skip": None,
}
CGROUP_DRIVERS = ("systemd", "cgroupfs")
# UnlimitedSwap only up to 1.29, which the swap check judges.
SWAP_BEHAVIORS = ("NoSwap", "LimitedSwap", "UnlimitedSwap")
PROXY_MODES = ("iptables", "ipvs", "nftables")


def read(path: str) -> Layer:
    """What a cluster file says. Raises ConfigError with the line and the key."""
    source = "standard input" if path == "-" else path
    documents = read_documents(path)
    if not documents:
        return Layer(source, {})
    top = documents[0]
    if len(documents) > 1:
        problem = "holds several documents; a cluster file is one"
        raise ConfigError(source, problem, line=documents[1].line)
    if not isinstance(top, Mapping):
        raise ConfigError(source, f"expected a mapping, found {top.kind}", line=top.line)
    if "apiVersion" in top.entries and "kind" in top.entries:
        problem = "is not a cluster file; give kubeadm's configuration as --kubeadm-config"
        raise ConfigError(source, problem, line=top.entries["kind"].line)
    return _read_top(Section(source, top, strict=True, warnings=[]).known(FIELDS))


def _read_top(top: Section) -> Layer:
    said: dict[str, Any] = {
        "version_given": top.word("kubernetesVersion", values.version, typed=False),
        "cluster.name": top.word("clusterName", values.host_name),
        "cluster.control_plane_endpoint": top.word("controlPlaneEndpoint", values.endpoint),
        "advertise_address": top.word("advertiseAddress", values.address_or_any),
        "node_name": top.word("nodeName", values.host_name),
        "node_ips": top.word("nodeIP", values.addresses),
        "cri_socket": top.word("criSocket", values.cri_socket),
        "certificates_dir": top.word("certificatesDir", values.path),
    }
    for key, reader in _SECTIONS.items():
        if (inner := top.section(key)) is not None:
            said.update(reader(inner))
    said["cluster.nodes"] = _nodes(top, said.get("cluster.pod_subnets") or ())
    return Layer(
        top.source,
        {name: value for name, value in said.items() if value is not None},
        ignore=top.words("ignore", checknames.read) or (),
        skip=top.words("skip", checknames.read) or (),
        warnings=top.warnings,
    )


def _networking(section: Section) -> dict[str, Any]:
    return {
        "cluster.pod_subnets": section.word("podSubnet", values.subnets),
        "cluster.service_subnets": section.word("serviceSubnet", values.subnets),
        "cluster.dns_domain": section.word("dnsDomain", values.host_name),
        "mask_ipv4": section.number("nodeCIDRMaskSizeIPv4", 1, 32),
        "mask_ipv6": section.number("nodeCIDRMaskSizeIPv6", 1, 128),
    }


def _cni(section: Section) -> dict[str, Any]:
    name = section.word("name", str)
    if name is None:
        raise section.fail("name", "is missing")
    if "/" in name:
        raise section.fail("name", f"{values.shown(name)} is no name; give the mode as mode")
    choice = section.word("name", values.cni)
    if section.has("mode"):
        choice = section.word("mode", lambda mode: values.cni(f"{name}/{mode}"))
    return {"cluster.cni": choice or CniChoice()}


def _sources(section: Section) -> dict[str, Any]:
    return {
        "cluster.sources.admins": section.words("admins", values.source),
        "cluster.sources.node_ports": section.words("nodePorts", values.source),
        "cluster.sources.load_balancers": section.words("loadBalancers", values.source),
        "cluster.sources.monitoring": section.words("monitoring", values.source),
    }


def _ports(section: Section) -> dict[str, Any]:
    return {
        "cluster.ports.api_server": section.number("apiServer", 1, 65535),
        "cluster.ports.node_ports": section.word("nodePorts", values.port_range, typed=False),
    }


def _kubelet(section: Section) -> dict[str, Any]:
    return {
        "kubelet.cgroup_driver": section.word("cgroupDriver", values.one_of(*CGROUP_DRIVERS)),
        "kubelet.fail_swap_on": section.truth("failSwapOn"),
        "kubelet.swap_behavior": section.word("swapBehavior", values.one_of(*SWAP_BEHAVIORS)),
        "kubelet.resolv_conf": section.text("resolvConf", values.path_or_nothing),
        "kubelet.fail_cgroup_v1": section.truth("failCgroupV1"),
        "kubelet.max_pods": section.number("maxPods", 1, 65535),
    }


def _etcd(section: Section) -> dict[str, Any]:
    said: dict[str, Any] = {"etcd.data_dir": section.word("dataDir", values.path)}
    if (external := section.section("external")) is not None:
        said.update(external_etcd(external))
    return said


def external_etcd(section: Section) -> dict[str, Any]:
    """etcd.external, which kubeadm writes with the same names."""
    endpoints = section.words("endpoints", values.url)
    if not endpoints:
        raise section.fail("endpoints", "is missing; an external etcd has at least one endpoint")
    return {
        "etcd.endpoints": endpoints,
        "etcd.ca_file": section.word("caFile", values.path),
        "etcd.cert_file": section.word("certFile", values.path),
        "etcd.key_file": section.word("keyFile", values.path),
    }


def _proxy(section: Section) -> dict[str, Any]:
    return {
        "cluster.proxy_mode": section.word("mode", values.one_of(*PROXY_MODES)),
        "proxy_disabled": section.truth("disabled"),
    }


_SECTIONS = {
    "networking": _networking,
    "cni": _cni,
    "sources": _sources,
    "ports": _ports,
    "kubelet": _kubelet,
    "etcd": _etcd,
    "proxy": _proxy,
}


def _nodes(top: Section, pod_subnets: tuple[IPNetwork, ...]) -> tuple[Node, ...] | None:
    sections = top.sections("nodes")
    if sections is None:
        return None
    taken: dict[Any, Section] = {}
    read_pods = partial(_pods_of_node, pod_subnets)
    nodes: list[Node] = []
    ranges: list[tuple[IPNetwork, Section]] = []
    for section in sections:
        node = _node(section, read_pods)
        for key, thing in (("name", node.name), *(("addresses", ip) for ip in node.addresses)):
            if (first := taken.setdefault(thing, section)) is not section:
                raise section.fail(key, f"{thing} is also in {first.key} of line {first.line}")
        ranges += [(subnet, section) for subnet in node.pod_subnets]
        nodes.append(node)
    _refuse_overlaps(ranges)
    return tuple(nodes)


def _node(section: Section, read_pods: Any) -> Node:
    name = section.word("name", values.host_name)
    role = section.word("role", values.role)
    addresses = section.words("addresses", values.address)
    for key, value in (("name", name), ("role", role), ("addresses", addresses)):
        if not value:
            raise section.fail(key, "is missing")
    pods = section.word("podSubnet", read_pods)
    return Node(name or "", role or Role.WORKER, addresses or (), pods or ())


def _pods_of_node(pod_subnets: tuple[IPNetwork, ...], text: str) -> tuple[IPNetwork, ...]:
    found = values.subnets(text)
    for item in found:
        wider = [subnet for subnet in pod_subnets if subnet.version == item.version]
        if wider and not item.subnet_of(wider[0]):  # type: ignore[arg-type]
            raise ValueError(f"{item} is not inside networking.podSubnet, {wider[0]}")
    return found


def _refuse_overlaps(ranges: list[tuple[IPNetwork, Section]]) -> None:
    """Sorted by first address, a range that overlaps any earlier one overlaps its neighbour."""
    ranges.sort(key=lambda item: (item[0].version, int(item[0].network_address)))
    for (left, owner), (right, section) in pairwise(ranges):
        if left.version == right.version and right.network_address in left:
            raise section.fail(
                "podSubnet", f"{right} overlaps {left} of {owner.key}, line {owner.line}"
            )

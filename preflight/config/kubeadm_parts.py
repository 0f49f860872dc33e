"""ClusterConfiguration, KubeletConfiguration, KubeProxyConfiguration of a kubeadm configuration."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from preflight.config import values
from preflight.config.clusterfile import (
    CGROUP_DRIVERS,
    PROXY_MODES,
    SWAP_BEHAVIORS,
    external_etcd,
)
from preflight.config.kubeadm_args import arguments
from preflight.config.section import Section
from rules.cluster import IPAddress, IPNetwork
from rules.version import Version

# kubeadm asks dl.k8s.io what these stand for; only the form with a minor says it by itself.
_LABEL = re.compile(r"(?:ci/|ci-cross/|release/)?(?:stable|latest)(?:-(\d+(?:\.\d+)?))?")

_COMPONENTS = {
    "apiServer": "kube-apiserver",
    "controllerManager": "kube-controller-manager",
    "scheduler": "kube-scheduler",
}


def read_cluster(section: Section, api_version: str) -> dict[str, Any]:
    """A ClusterConfiguration; the names are those of ``Layer.values``, and ``secure_port``."""
    api_server = arguments(section.section("apiServer"), "extraArgs", api_version)
    manager = arguments(section.section("controllerManager"), "extraArgs", api_version)
    said: dict[str, Any] = {
        "version_given": _version(section),
        "cluster.name": section.word("clusterName", str),
        "cluster.control_plane_endpoint": section.word("controlPlaneEndpoint", values.endpoint),
        "certificates_dir": section.word("certificatesDir", values.path),
        "cluster.pod_subnets": _subnets(manager, "cluster-cidr"),
        "cluster.service_subnets": _subnets(api_server, "service-cluster-ip-range"),
        "bind_addresses": _bind_addresses(section, api_version),
        "secure_port": api_server.word("secure-port", values.port),
        "cluster.ports.node_ports": api_server.word("service-node-port-range", values.port_range),
        "mask_any": manager.word("node-cidr-mask-size", values.whole(1, 128)),
        "mask_ipv4": manager.word("node-cidr-mask-size-ipv4", values.whole(1, 32)),
        "mask_ipv6": manager.word("node-cidr-mask-size-ipv6", values.whole(1, 128)),
    }
    if (networking := section.section("networking")) is not None:
        own = {
            "cluster.pod_subnets": _subnets(networking, "podSubnet"),
            "cluster.service_subnets": _subnets(networking, "serviceSubnet"),
            "cluster.dns_domain": networking.word("dnsDomain", values.host_name),
        }
        said.update({name: value for name, value in own.items() if value is not None})
    if (proxy := section.section("proxy")) is not None:
        said["proxy_disabled"] = proxy.truth("disabled")
    said.update(_etcd(section))
    return said


def _bind_addresses(section: Section, api_version: str) -> tuple[tuple[str, IPAddress], ...] | None:
    found = []
    for key, component in _COMPONENTS.items():
        flags = arguments(section.section(key), "extraArgs", api_version)
        if (address := flags.word("bind-address", values.bind_address)) is not None:
            found.append((component, address))
    return tuple(found) or None


def _etcd(section: Section) -> dict[str, Any]:
    etcd = section.section("etcd")
    if etcd is None:
        return {}
    if etcd.has("local") and etcd.has("external"):
        raise etcd.fail("external", "local and external exclude each other")
    if (external := etcd.section("external")) is not None:
        return external_etcd(external)
    local = etcd.section("local")
    return {"etcd.data_dir": local.word("dataDir", values.path)} if local else {}


def read_kubelet(section: Section, _api_version: str) -> dict[str, Any]:
    """A KubeletConfiguration; the names are those of ``Layer.values``."""
    swap = section.section("memorySwap")
    return {
        "kubelet.cgroup_driver": section.word("cgroupDriver", values.one_of(*CGROUP_DRIVERS)),
        "kubelet.fail_swap_on": section.truth("failSwapOn"),
        "kubelet.swap_behavior": swap and swap.word("swapBehavior", values.one_of(*SWAP_BEHAVIORS)),
        "kubelet.resolv_conf": section.text("resolvConf", values.path_or_nothing),
        "kubelet.fail_cgroup_v1": section.truth("failCgroupV1"),
        # The kubelet takes 0 for: the default.
        "kubelet.max_pods": section.number("maxPods", 0, 2**31 - 1) or None,
        "cluster.dns_domain": section.word("clusterDomain", _domain),
        "cri_socket": section.word("containerRuntimeEndpoint", values.cri_socket),
    }


def read_proxy(section: Section, _api_version: str) -> dict[str, Any]:
    """A KubeProxyConfiguration; the names are those of ``Layer.values``."""
    return {
        "cluster.proxy_mode": section.word("mode", values.one_of(*PROXY_MODES)),
        "cluster.pod_subnets": _subnets(section, "clusterCIDR"),
    }


def _domain(text: str) -> str:
    return values.host_name(text.removesuffix("."))


def _subnets(section: Section, key: str) -> tuple[IPNetwork, ...] | None:
    # Go's parser, and so kubeadm, clears host bits without a word.
    adjust = partial(section.warn, key)
    return section.word(key, partial(values.subnets, adjust=adjust))


def _version(section: Section) -> Version | None:
    def read(text: str) -> Version | None:
        label = _LABEL.fullmatch(text)
        if label is None:
            return values.version(text.removeprefix("ci/").removeprefix("release/"))
        if label.group(1) and "." in label.group(1):
            return values.version(label.group(1))
        section.warn("kubernetesVersion", f"{text} names no version; give --kubernetes-version")
        return None

    return section.word("kubernetesVersion", read, typed=False)

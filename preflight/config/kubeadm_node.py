"""InitConfiguration and JoinConfiguration: what kubeadm's files say of this node."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from preflight.config import checknames, values
from preflight.config.clusterfile import CGROUP_DRIVERS
from preflight.config.kubeadm_args import arguments
from preflight.config.section import Section

# What `kubeadm config print init-defaults` writes where a person must put an address.
_PLACEHOLDER_ADDRESS = IPv4Address("1.2.3.4")


def read_init(section: Section, api_version: str) -> dict[str, Any]:
    """An InitConfiguration; the names are those of ``Layer.values``, and ``ignore``."""
    said = _registration(section, api_version)
    said.update(_local_endpoint(section))
    phases = section.words("skipPhases", str) or ()
    if "addon" in phases or "addon/kube-proxy" in phases:
        said["proxy_disabled"] = True
    return said


def read_join(section: Section, api_version: str) -> dict[str, Any]:
    """A JoinConfiguration; the names are those of ``Layer.values``, and ``ignore``."""
    said = _registration(section, api_version)
    if (control_plane := section.section("controlPlane")) is not None:
        said.update(_local_endpoint(control_plane))
    discovery = section.section("discovery")
    if discovery and (token := discovery.section("bootstrapToken")):
        said["cluster.control_plane_endpoint"] = token.word("apiServerEndpoint", values.endpoint)
    return said


def _local_endpoint(section: Section) -> dict[str, Any]:
    endpoint = section.section("localAPIEndpoint")
    if endpoint is None:
        return {}
    address = endpoint.word("advertiseAddress", values.address_or_any)
    if address == _PLACEHOLDER_ADDRESS:
        endpoint.warn("advertiseAddress", f"{address} is kubeadm's placeholder, not an address")
    port = endpoint.number("bindPort", 0, 65535)
    return {"advertise_address": address, "cluster.ports.api_server": port or None}


def _node_name(text: str) -> str:
    return values.host_name(text.strip().lower())


def _registration(section: Section, api_version: str) -> dict[str, Any]:
    node = section.section("nodeRegistration")
    if node is None:
        return {}
    flags = arguments(node, "kubeletExtraArgs", api_version)
    name = node.word("name", _node_name)
    return {
        "node_name": flags.word("hostname-override", _node_name) or name,
        "node_ips": flags.word("node-ip", values.addresses),
        "cri_socket": node.word("criSocket", values.cri_socket),
        "kubelet.cgroup_driver": flags.word("cgroup-driver", values.one_of(*CGROUP_DRIVERS)),
        "kubelet.fail_swap_on": flags.word("fail-swap-on", values.flag),
        "kubelet.fail_cgroup_v1": flags.word("fail-cgroupv1", values.flag),
        "kubelet.resolv_conf": flags.text("resolv-conf", values.path_or_nothing),
        "kubelet.max_pods": flags.word("max-pods", values.whole(0, 65535)),
        "ignore": _ignored(node),
    }


def _ignored(node: Section) -> tuple[str, ...]:
    """The names that nodeprep has a check for; kubeadm has names for other things too."""
    words = node.words("ignorePreflightErrors", str.strip) or ()
    for word in words:
        if not checknames.exists(word):
            node.warn("ignorePreflightErrors", f"nodeprep has no check {values.shown(word)}")
    return tuple(filter(checknames.exists, words))

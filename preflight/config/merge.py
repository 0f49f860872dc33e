"""Layers -> Settings: flags beat the cluster file beats kubeadm's configuration beats defaults."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any, TypeVar

from preflight.config import clusterfile, kubeadm, values
from preflight.config.kubeadm_fields import ACCEPTED, CONVERTED_BY
from preflight.config.layer import Layer
from preflight.settings import Settings
from rules.cluster import Role
from rules.errors import UsageError
from rules.version import NEWEST, Version

T = TypeVar("T")


def settings(*, config: str, kubeadm_config: str, kubernetes_version: str, cni: str) -> Settings:
    """Reads what is named and merges it; see ``preflight.config.load`` for the errors."""
    flags: dict[str, Any] = {}
    try:
        if kubernetes_version:
            flags["version_given"] = values.version(kubernetes_version)
    except ValueError as error:
        raise UsageError(f"--kubernetes-version: {error}") from None
    try:
        if cni:
            flags["cluster.cni"] = values.cni(cni)
    except ValueError as error:
        raise UsageError(f"--cni: {error}") from None
    # The weakest first: a later layer beats an earlier one.
    layers = [kubeadm.read(kubeadm_config)] if kubeadm_config else []
    layers += [clusterfile.read(config)] if config else []
    return merge(layers, flags)


def merge(layers: list[Layer], flags: dict[str, Any]) -> Settings:
    """Settings from layers, the weakest first, and from flags, which beat them all."""
    said: dict[str, Any] = {}
    for layer in layers:
        said.update(layer.values)
    said.update(flags)
    said["node_subnet_bits"] = _node_subnet_bits(said)
    version = said.get("version_given")
    said["cluster.kubernetes_version"] = version or NEWEST
    roles = {node.role for node in said.get("cluster.nodes", ())}
    said["cluster.external_etcd"] = bool(said.get("etcd.endpoints")) or Role.ETCD in roles
    said["ignore"] = tuple(dict.fromkeys(word for layer in layers for word in layer.ignore))
    said["skip"] = tuple(dict.fromkeys(word for layer in layers for word in layer.skip))
    said["sources"] = tuple(layer.source for layer in layers)
    said["warnings"] = tuple(
        line for layer in layers for line in (*layer.warnings, *_old_apis(layer, version))
    )
    return assign(Settings(), said)


def assign(default: T, said: dict[str, Any]) -> T:
    """``default`` with the fields that ``said`` names, ``a.b`` for the field b of its field a."""
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in said.items():
        head, _, rest = name.partition(".")
        if rest:
            inner.setdefault(head, {})[rest] = value
        else:
            own[head] = value
    for head, fields in inner.items():
        own[head] = assign(getattr(default, head), fields)
    return replace(default, **own)  # type: ignore[type-var]


def _node_subnet_bits(said: dict[str, Any]) -> tuple[int, int]:
    """kube-controller-manager's ``--node-cidr-mask-size`` counts for a cluster of one family."""
    ipv4, ipv6 = Settings().node_subnet_bits
    any_family = said.pop("mask_any", None)
    if any_family is not None:
        versions = {subnet.version for subnet in said.get("cluster.pod_subnets", ())}
        if versions == {6}:
            ipv6 = any_family
        elif any_family <= 32:
            ipv4 = any_family
    return said.pop("mask_ipv4", ipv4), said.pop("mask_ipv6", ipv6)


def _old_apis(layer: Layer, version: Version | None) -> list[str]:
    """A line for each apiVersion that kubeadm of this version would refuse."""
    if version is None:
        return []
    found = []
    for api, line in dict(reversed(layer.api_versions)).items():
        first, last = ACCEPTED[api]
        if first <= version.release <= (last or NEWEST):
            continue
        remedy = "write it in an older one"
        if version.release > first:
            old, by = shlex.quote(layer.source), CONVERTED_BY[api]
            command = f"kubeadm config migrate --old-config {old} --new-config new.yaml"
            remedy = f"convert it with a kubeadm of {by}: {command}"
        span = f"{first} to {last}" if last else f"{first} and newer"
        found.append(
            f"{layer.source}:{line}: apiVersion: kubeadm {version.release} does not accept {api}, "
            f"which is for {span}; {remedy}"
        )
    return found

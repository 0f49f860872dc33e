"""The options of configuration, and of a firewall's policy, as commands share them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preflight.cli.grouped import grouped
from preflight.cli.options import (
    CniOption,
    ConfigOption,
    KubeadmConfigOption,
    SourceOption,
    VersionOption,
    parse_role,
)

if TYPE_CHECKING:
    from preflight.firewall.policy import PolicyRequest

# As in preflight.config.Flags.
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "config": (ConfigOption, ""),
    "kubeadm_config": (KubeadmConfigOption, ""),
    "kubernetes_version": (VersionOption, ""),
    "cni": (CniOption, ""),
}
takes_configuration = grouped("flags", _OPTIONS)
# What ``policy_request`` is given beside the role.
takes_policy = grouped(
    "policy", {"source": (SourceOption, None), **_OPTIONS}, {"source": "sources"}
)


def policy_request(role: str, policy: dict[str, Any]) -> PolicyRequest:
    """Of a role as it was typed. Raises UsageError for one that is none."""
    from preflight.firewall.policy import PolicyRequest

    return PolicyRequest(role=parse_role(role), **policy)

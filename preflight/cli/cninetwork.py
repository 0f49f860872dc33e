"""The options that say what a network is to be: one list for every command that takes them."""

from __future__ import annotations

from typing import Any

from preflight.cli import cnioptions as o
from preflight.cli.grouped import grouped
from preflight.cli.options import ConfigOption, KubeadmConfigOption

# Option -> (its type and help, what it is when it is not given).
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "plugin": (o.PluginOption, ""),
    "ipam": (o.IpamOption, ""),
    "pod_cidr": (o.PodCidrOption, ""),
    "node_index": (o.NodeIndexOption, -1),
    "chain": (o.ChainOption, None),
    "mtu": (o.MtuOption, -1),
    "name": (o.NameOption, ""),
    "bridge": (o.BridgeOption, ""),
    "masquerade": (o.MasqueradeOption, ""),
    "master": (o.MasterOption, ""),
    "vlan_id": (o.VlanIdOption, 0),
    "mode": (o.ModeOption, ""),
    "device": (o.DeviceOption, ""),
    "address": (o.AddressOption, None),
    "pod_sysctl": (o.PodSysctlOption, None),
    "rate": (o.RateOption, 0),
    "cni_version": (o.CniVersionOption, ""),
    "plugin_dir": (o.PluginDirOption, None),
    "config": (ConfigOption, ""),
    "kubeadm_config": (KubeadmConfigOption, ""),
}
# What preflight.cni.plan.Flags is made of, in which those that may be repeated are plurals.
takes_network = grouped(
    "network",
    _OPTIONS,
    {"address": "addresses", "pod_sysctl": "pod_sysctls", "plugin_dir": "plugin_dirs"},
)

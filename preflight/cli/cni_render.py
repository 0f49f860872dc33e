"""`nodeprep cni render`."""

from __future__ import annotations

import typer

from preflight.cli import cnioptions as o
from preflight.cli.options import ConfigOption, KubeadmConfigOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("render")(render)


def render(
    plugin: o.PluginOption = "",
    ipam: o.IpamOption = "",
    pod_cidr: o.PodCidrOption = "",
    node_index: o.NodeIndexOption = -1,
    chain: o.ChainOption = None,
    mtu: o.MtuOption = -1,
    name: o.NameOption = "",
    bridge: o.BridgeOption = "",
    masquerade: o.MasqueradeOption = "",
    master: o.MasterOption = "",
    vlan_id: o.VlanIdOption = 0,
    mode: o.ModeOption = "",
    device: o.DeviceOption = "",
    address: o.AddressOption = None,
    pod_sysctl: o.PodSysctlOption = None,
    rate: o.RateOption = 0,
    cni_version: o.CniVersionOption = "",
    plugin_dir: o.PluginDirOption = None,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    output: o.OutputOption = "text",
) -> int:
    """Print the network configuration that suits this node.

    Exit: 0 done, 2 wrong usage or a configuration that pods could not use.
    """
    from preflight.cni.plan import Flags
    from preflight.runs.cni_render import run_render

    return run_render(
        Flags(
            plugin=plugin,
            ipam=ipam,
            pod_cidr=pod_cidr,
            node_index=node_index,
            chain=chain,
            mtu=mtu,
            name=name,
            bridge=bridge,
            masquerade=masquerade,
            master=master,
            vlan_id=vlan_id,
            mode=mode,
            device=device,
            addresses=tuple(address or ()),
            pod_sysctls=tuple(pod_sysctl or ()),
            rate=rate,
            cni_version=cni_version,
            plugin_dirs=tuple(plugin_dir or ()),
            config=config,
            kubeadm_config=kubeadm_config,
        ),
        output=output,
    )

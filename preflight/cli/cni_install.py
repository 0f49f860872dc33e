"""`nodeprep cni install`."""

from __future__ import annotations

from typing import Annotated

import typer

from preflight.cli import cnioptions as o
from preflight.cli.firewalloptions import DiffOption, DryRunOption
from preflight.cli.options import ConfigOption, KubeadmConfigOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep cni``."""
    app.command("install")(install)


def install(
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
    conf_dir: o.ConfDirOption = "",
    layout: Annotated[
        str, typer.Option(metavar="NAME", help="cri-dockerd, podman, rkt or mesos [as found].")
    ] = "",
    archive: Annotated[
        str,
        typer.Option(metavar="FILE|URL|v1.2.3", help="Plugins of a release, checked by sha256."),
    ] = "",
    sha256: Annotated[
        str, typer.Option("--sha256", metavar="HEX", help="Of an archive that is no release.")
    ] = "",
    package: Annotated[
        bool, typer.Option("--package", help="Install the distribution's plugins first.")
    ] = False,
    displace: Annotated[
        bool, typer.Option("--displace", help="Put aside configurations that would win.")
    ] = False,
    routes: Annotated[
        str,
        typer.Option(metavar="BY", help="At boot: unit, networkd, networkmanager or netplan."),
    ] = "unit",
    dry_run: DryRunOption = False,
    diff: DiffOption = False,
    config: ConfigOption = "",
    kubeadm_config: KubeadmConfigOption = "",
    output: o.OutputOption = "text",
) -> int:
    """Lay down the pod network of this node: the configuration last, all of it or nothing.

    Exit: 0 done, 1 refused or put back, 2 wrong usage or configuration, 3 undetermined.
    """
    from preflight.cni.plan import Flags
    from preflight.runs.cni_install import Wanted, run_install

    flags = Flags(
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
    )
    return run_install(
        Wanted(flags, archive, sha256, package, displace, layout, conf_dir, routes),
        dry_run=dry_run,
        diff=diff,
        output=output,
    )

"""The options that the sub-commands of `nodeprep cni` share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

ConfFileOption = Annotated[
    str,
    typer.Option("--conf", metavar="FILE", help="This configuration, not the runtime's choice."),
]
ConfDirOption = Annotated[
    str, typer.Option("--conf-dir", metavar="DIR", help="Where the configuration files are.")
]
PluginDirOption = Annotated[
    list[str] | None,
    typer.Option("--plugin-dir", metavar="DIR", help="Where the plugins are; may be repeated."),
]
CacheDirOption = Annotated[
    str, typer.Option("--cache-dir", metavar="DIR", help="libcni's cache [/var/lib/cni].")
]
DockerOption = Annotated[
    str, typer.Option("--docker", metavar="NAME", help="A Docker container, in place of ID NETNS.")
]
InterfaceOption = Annotated[
    str, typer.Option("--ifname", metavar="NAME", help="The interface in the container.")
]
ArgumentOption = Annotated[
    list[str] | None,
    typer.Option("--arg", metavar="NAME=VALUE", help="One of CNI_ARGS; may be repeated."),
]
PublishOption = Annotated[
    list[str] | None,
    typer.Option(
        "--publish", metavar="HOST:POD[/tcp]", help="A port of the host; may be repeated."
    ),
]
ContainerArgument = Annotated[str, typer.Argument(metavar="ID", help="The container's id.")]
NamespaceArgument = Annotated[
    str, typer.Argument(metavar="NETNS", help="The path of its network namespace.")
]


def _text(flag: str, metavar: str, words: str) -> Any:
    return typer.Option(flag, metavar=metavar, help=words)


PluginOption = Annotated[
    str,
    _text("--plugin", "NAME", "bridge, ptp, vlan, ipvlan, macvlan, host-device or win-..."),
]
IpamOption = Annotated[str, _text("--ipam", "NAME", "host-local, dhcp or static.")]
PodCidrOption = Annotated[
    str, _text("--pod-cidr", "CIDR[,CIDR]", "This node's own range [cluster file].")
]
NodeIndexOption = Annotated[
    int,
    typer.Option(
        "--node-index", min=-1, metavar="N", help="The N-th node range of podSubnet, from 0."
    ),
]
ChainOption = Annotated[
    str | None,
    _text("--chain", "NAME,..", "portmap, bandwidth, firewall, tuning, sbr or none [portmap]."),
]
MtuOption = Annotated[
    int, typer.Option("--mtu", min=-1, max=65535, metavar="BYTES", help="Of pods [the uplink's].")
]
NameOption = Annotated[str, _text("--name", "NAME", "The network's name [pods].")]
BridgeOption = Annotated[str, _text("--bridge", "NAME", "The bridge's name [cni0].")]
MasqueradeOption = Annotated[
    str, _text("--masquerade", "HOW", "node (one rule), plugin (ipMasq) or none [node].")
]
MasterOption = Annotated[str, _text("--master", "LINK", "Of vlan, ipvlan and macvlan.")]
VlanIdOption = Annotated[int, typer.Option("--vlan-id", metavar="ID", help="Of vlan.")]
ModeOption = Annotated[str, _text("--mode", "MODE", "Of ipvlan and macvlan.")]
DeviceOption = Annotated[str, _text("--device", "NAME", "Of host-device: name, MAC, PCI address.")]
AddressOption = Annotated[
    list[str] | None, _text("--address", "CIDR[=GATEWAY]", "Of static; may be repeated.")
]
PodSysctlOption = Annotated[
    list[str] | None, _text("--pod-sysctl", "NAME=VALUE", "Of tuning; may be repeated.")
]
RateOption = Annotated[
    int, typer.Option("--rate", min=0, metavar="BITS", help="Of bandwidth, per second.")
]
CniVersionOption = Annotated[
    str, _text("--cni-version", "VERSION", "[the newest that runtime and plugins speak]")
]

"""A network configuration list for one node, from what is wanted. Pure.

One builder for each plugin that makes an interface, one for each IPAM and each chained plugin:
another one is an entry in a table here and a schema in ``preflight.cni.schema``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from preflight.cni.schema import BRIDGE_DEFAULT_NAME, PLUGINS
from preflight.cni.spec import (
    NETWORK_NAME_LIMIT,
    SPEC_VERSIONS,
    plain_interface,
    valid_interface,
    valid_name,
    version_key,
)
from rules.cluster import IPNetwork
from rules.errors import UsageError
from rules.record import record
from rules.words import wrong_choice

FILE_NAME = "10-nodeprep.conflist"
SINGLE_NAME = "10-nodeprep.conf"
NETWORK_NAME = "pods"
# What every plugin since release 1.0 and every runtime in use speak.
USUAL_VERSION = "1.0.0"
DEFAULT_CHAIN = ("portmap",)
# host-local needs two host bits (plugins/ipam/host-local/backend/allocator/range.go).
_MOST_PREFIX = {4: 30, 6: 126}

Json = dict[str, Any]


@record
class Wanted:
    """What the network of this node is to be.

    ``subnets`` are the node's own pod ranges, at most one of each family. ``pod_subnets`` and
    ``service_subnets`` are the cluster's. ``mtu`` 0: the kernel's choice. ``masquerade`` is
    ``node`` (one rule of ours, outside this file), ``plugin`` (ipMasq) or ``none``. ``master``,
    ``vlan_id``, ``mode`` and ``device`` as their plugins take them, ``addresses`` for static
    (``address`` or ``address=gateway``), ``sysctls`` for tuning, ``rate`` for bandwidth in bit/s.
    """

    plugin: str = "bridge"
    ipam: str = "host-local"
    name: str = NETWORK_NAME
    version: str = USUAL_VERSION
    subnets: tuple[IPNetwork, ...] = ()
    pod_subnets: tuple[IPNetwork, ...] = ()
    service_subnets: tuple[IPNetwork, ...] = ()
    chain: tuple[str, ...] = DEFAULT_CHAIN
    mtu: int = 0
    bridge: str = BRIDGE_DEFAULT_NAME
    masquerade: str = "node"
    master: str = ""
    vlan_id: int = 0
    mode: str = ""
    device: str = ""
    addresses: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    rate: int = 0


def compose(wanted: Wanted) -> Json:
    """The list as an object. Raises UsageError for what contradicts itself or is missing."""
    if wanted.plugin not in _INTERFACES:
        raise wrong_choice("--plugin", wanted.plugin, _INTERFACES)
    if wanted.ipam not in _IPAMS:
        raise wrong_choice("--ipam", wanted.ipam, _IPAMS)
    if not valid_name(wanted.name):
        raise UsageError(f"{wanted.name!r} is no network name: letters, digits, _ . and - only")
    if len(wanted.name) > NETWORK_NAME_LIMIT:
        raise UsageError(
            f"--name has {len(wanted.name)} letters; with more than {NETWORK_NAME_LIMIT} libcni "
            "could not keep its results"
        )
    if wanted.version not in SPEC_VERSIONS:
        raise wrong_choice("--cni-version", wanted.version, SPEC_VERSIONS)
    if wanted.masquerade not in ("node", "plugin", "none"):
        raise UsageError(f"--masquerade takes node, plugin or none, not {wanted.masquerade!r}")
    for kind in wanted.chain:
        if kind not in _CHAINED:
            raise wrong_choice("--chain", kind, _CHAINED)
    if len(set(wanted.chain)) != len(wanted.chain):
        raise UsageError(f"--chain names one twice: {','.join(wanted.chain)}")
    plugins = [
        _INTERFACES[wanted.plugin](wanted),
        *(_CHAINED[kind](wanted) for kind in chain(wanted)),
    ]
    return {"cniVersion": wanted.version, "name": wanted.name, "plugins": plugins}


def single(body: Json) -> Json:
    """The first plugin as a configuration of its own: rkt and CNI before 0.3 read no lists."""
    return {"cniVersion": body["cniVersion"], "name": body["name"], **body["plugins"][0]}


def text(body: Json) -> str:
    """The file: JSON, two blanks deep, one newline at the end."""
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def refuse_useless(wanted: Wanted) -> None:
    """Raises UsageError for a flag that would change nothing: it was meant for something."""
    links = ("vlan", "ipvlan", "macvlan")
    for given, flag, fits, where in (
        (wanted.addresses, "--address", wanted.ipam == "static", "--ipam static"),
        (wanted.sysctls, "--pod-sysctl", "tuning" in chain(wanted), "--chain tuning"),
        (wanted.rate, "--rate", "bandwidth" in chain(wanted), "--chain bandwidth"),
        (wanted.master, "--master", wanted.plugin in links, "--plugin vlan, ipvlan or macvlan"),
        (wanted.vlan_id, "--vlan-id", wanted.plugin == "vlan", "--plugin vlan"),
        (wanted.device, "--device", wanted.plugin == "host-device", "--plugin host-device"),
    ):
        if given and not fits:
            raise UsageError(f"{flag} goes with {where}")


def chain(wanted: Wanted) -> tuple[str, ...]:
    """The chained plugins, each once; none on Windows, whose plugins map ports themselves."""
    return () if wanted.plugin.startswith("win-") else tuple(dict.fromkeys(wanted.chain))


def programs(wanted: Wanted) -> tuple[str, ...]:
    """Every plugin that the list runs, and loopback, which runtimes call by themselves."""
    return (wanted.plugin, wanted.ipam, *chain(wanted), "loopback")


def best_version(spoken: tuple[tuple[str, ...], ...], newest: str) -> str:
    """The newest version that all plugins and the runtime (``newest``) speak; empty for none."""
    common = {item for item in SPEC_VERSIONS if version_key(item) <= version_key(newest)}
    for versions in spoken:
        common &= set(versions)
    return max(common, key=version_key, default="")


def _base(wanted: Wanted, *, mtu: bool = True) -> Json:
    body: Json = {"type": wanted.plugin}
    if mtu and wanted.mtu:
        body["mtu"] = wanted.mtu
    return body


def _bridge(wanted: Wanted) -> Json:
    if not plain_interface(wanted.bridge):
        raise UsageError(f"{wanted.bridge!r} is no interface name that --bridge takes")
    return {
        "type": "bridge",
        "bridge": wanted.bridge,
        "isGateway": True,
        "ipMasq": wanted.masquerade == "plugin",
        "hairpinMode": True,
        **({"mtu": wanted.mtu} if wanted.mtu else {}),
        "ipam": _ipam(wanted),
    }


def _ptp(wanted: Wanted) -> Json:
    masquerade = wanted.masquerade == "plugin"
    return {**_base(wanted), "ipMasq": masquerade, "ipam": _ipam(wanted)}


def _needs_master(wanted: Wanted) -> str:
    if not wanted.master:
        raise UsageError(f"{wanted.plugin} needs --master, the link that carries its pods")
    if not valid_interface(wanted.master):
        raise UsageError(f"{wanted.master!r} is no interface name")
    return wanted.master


def _vlan(wanted: Wanted) -> Json:
    if not 1 <= wanted.vlan_id <= 4094:
        raise UsageError(f"--vlan-id is 1 to 4094, not {wanted.vlan_id}")
    body = {**_base(wanted), "master": _needs_master(wanted), "vlanId": wanted.vlan_id}
    return {**body, "ipam": _ipam(wanted)}


def _on_link(wanted: Wanted) -> Json:
    """ipvlan and macvlan."""
    key = PLUGINS[wanted.plugin].keys["mode"]
    mode = wanted.mode or str(key.default)
    if mode not in key.choices:
        raise UsageError(f"--mode of {wanted.plugin} is {', '.join(key.choices)}, not {mode!r}")
    body = {**_base(wanted), "master": _needs_master(wanted), "mode": mode}
    return {**body, "ipam": _ipam(wanted)}


def _host_device(wanted: Wanted) -> Json:
    if not wanted.device:
        raise UsageError("host-device needs --device: a name, a MAC, or a PCI address")
    key = "device"
    if wanted.device.count(":") == 5:
        key = "hwaddr"
    elif wanted.device.count(":") == 2 and "." in wanted.device:
        key = "pciBusID"
    return {"type": "host-device", key: wanted.device, "ipam": _ipam(wanted)}


def _win_bridge(wanted: Wanted) -> Json:
    exceptions = [str(item) for item in (*wanted.pod_subnets, *wanted.service_subnets)]
    policies: list[Json] = []
    if exceptions:
        policies.append(_endpoint_policy(Type="OutBoundNAT", ExceptionList=exceptions))
    policies += [
        _endpoint_policy(Type="ROUTE", DestinationPrefix=str(subnet), NeedEncap=True)
        for subnet in wanted.service_subnets
    ]
    return {**_windows(wanted), "policies": policies}


def _win_overlay(wanted: Wanted) -> Json:
    return {
        **_win_bridge(wanted),
        "endpointMacPrefix": "0E-2A",
        "ipMasq": wanted.masquerade != "none",
    }


def _windows(wanted: Wanted) -> Json:
    return {
        "type": wanted.plugin,
        "capabilities": {"portMappings": True, "dns": True},
        "loopbackDSR": True,
        "ipam": _ipam(wanted),
    }


def _endpoint_policy(**value: Any) -> Json:
    return {"name": "EndpointPolicy", "value": value}


def _ipam(wanted: Wanted) -> Json:
    return _IPAMS[wanted.ipam](wanted)


def _default_routes(families: Collection[int]) -> list[Json]:
    return [
        {"dst": destination}
        for family, destination in ((4, "0.0.0.0/0"), (6, "::/0"))
        if family in families
    ]


def _host_local(wanted: Wanted) -> Json:
    subnets = wanted.subnets
    if not subnets:
        raise UsageError(
            "the node's own pod range is not known: give --pod-cidr, such as 10.244.1.0/24, or "
            "name the node with its podSubnet in the cluster file"
        )
    families: list[int] = [item.version for item in subnets]
    if len(set(families)) != len(families):
        raise UsageError(f"two ranges of one family: {', '.join(map(str, subnets))}")
    for subnet in subnets:
        if subnet.prefixlen > _MOST_PREFIX[subnet.version]:
            raise UsageError(f"{subnet} is too small: a gateway and a pod need two host bits")
    return {
        "type": "host-local",
        "ranges": [[{"subnet": str(subnet)}] for subnet in subnets],
        "routes": _default_routes(families),
    }


def _dhcp(wanted: Wanted) -> Json:
    if any(subnet.version == 6 for subnet in wanted.subnets):
        raise UsageError("the dhcp plugin gives IPv4 addresses only (plugins#552)")
    return {"type": "dhcp"}


def _static(wanted: Wanted) -> Json:
    from ipaddress import ip_address, ip_interface

    if not wanted.addresses:
        raise UsageError("static needs --address ADDRESS/BITS[=GATEWAY]")
    entries: list[Json] = []
    families = set()
    for word in wanted.addresses:
        address, _, gateway = word.partition("=")
        try:
            entry: Json = {"address": str(ip_interface(address))}
            if gateway:
                entry["gateway"] = str(ip_address(gateway))
                families.add(ip_address(gateway).version)
        except ValueError as error:
            raise UsageError(f"--address {word}: {error}") from None
        entries.append(entry)
    return {"type": "static", "addresses": entries, "routes": _default_routes(families)}


def _portmap(wanted: Wanted) -> Json:
    return {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}


def _bandwidth(wanted: Wanted) -> Json:
    body: Json = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
    if wanted.rate:
        # A tenth of a second of traffic may come at once, at least 1500 bytes.
        burst = max(wanted.rate // 10, 12_000)
        rates = {"ingressRate": wanted.rate, "egressRate": wanted.rate}
        body |= {**rates, "ingressBurst": burst, "egressBurst": burst}
    return body


def _firewall(wanted: Wanted) -> Json:
    return {"type": "firewall"}


def _tuning(wanted: Wanted) -> Json:
    sysctls = dict(wanted.sysctls)
    for name in sysctls:
        if not name.startswith("net."):
            raise UsageError(f"--pod-sysctl {name}: tuning sets only those below net.")
    return {"type": "tuning", **({"sysctl": sysctls} if sysctls else {})}


def _sbr(wanted: Wanted) -> Json:
    return {"type": "sbr"}


Build = Callable[[Wanted], Json]
_INTERFACES: dict[str, Build] = {
    "bridge": _bridge,
    "ptp": _ptp,
    "vlan": _vlan,
    "ipvlan": _on_link,
    "macvlan": _on_link,
    "host-device": _host_device,
    "win-bridge": _win_bridge,
    "win-overlay": _win_overlay,
}
_IPAMS: dict[str, Build] = {"host-local": _host_local, "dhcp": _dhcp, "static": _static}
_CHAINED: dict[str, Build] = {
    "portmap": _portmap,
    "bandwidth": _bandwidth,
    "firewall": _firewall,
    "tuning": _tuning,
    "sbr": _sbr,
}
INTERFACES, IPAMS, CHAINED = tuple(_INTERFACES), tuple(_IPAMS), tuple(_CHAINED)

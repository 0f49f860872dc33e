"""Rules of single plugins: what contradicts itself, and what pods miss. Pure.

Each rule is one that the plugin's source states as an error, or whose effect was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

from preflight.cni.problem import WARNING, Context, Problem
from preflight.cni.ranges import KERNEL_MTU, range_sets
from preflight.cni.schema import BRIDGE_DEFAULT_NAME, PLUGINS
from preflight.cni.spec import NetworkConfig, valid_interface

# RFC 8200 section 5: every link that carries IPv6 has at least 1280 bytes; RFC 791: 68 for IPv4.
IPV6_MIN_MTU, IPV4_MIN_MTU = 1280, 68
# plugins/meta/bandwidth: "burst cannot be more than 4GB" (bits, so 8 times 2**32 bytes).
BURST_LIMIT_BITS = 8 * (2**32 - 1)
_DEFAULTS = ("0.0.0.0/0", "::/0")
Rule = Callable[[dict[str, Any], str, NetworkConfig, Context], Iterator[Problem]]


def judge(
    plugin: dict[str, Any], place: str, index: int, network: NetworkConfig, context: Context
) -> Iterator[Problem]:
    """All rules that hold for one plugin of the chain."""
    kind = str(plugin["type"])
    schema = PLUGINS.get(kind)
    if schema is None:
        return
    if kind.startswith("win-"):
        yield Problem("windows", place, f"{kind} works on Windows only", "use bridge on Linux")
        return
    if schema.role == "ipam" and schema.closed:
        yield Problem(
            "ipam-as-plugin",
            place,
            f"{kind} only hands out addresses, and makes no interface",
            f'put it into "ipam" of bridge: {{"type": "{kind}"}}',
        )
        return
    if schema.role == "meta" and index == 0:
        yield Problem(
            "meta-first",
            place,
            f"{kind} only works after a plugin that makes an interface, and is the first one here",
            f"put bridge, say, before {kind}",
        )
    for key in schema.required:
        if not plugin.get(key):
            yield Problem(
                "required", f"{place}.{key}".lstrip("."), f"{kind} needs {key}", f'add "{key}"'
            )
    if schema.ipam and not _delegated(place):
        yield from _ipam_there(plugin, place, index)
        yield from _mtu(plugin, place, context)
    rule = _RULES.get(kind)
    if rule is not None:
        yield from rule(plugin, place, network, context)


def _delegated(place: str) -> bool:
    """Whether another plugin (flannel) hands this one on and fills in addresses and MTU."""
    return place.endswith("delegate")


def _ipam_there(plugin: dict[str, Any], place: str, index: int) -> Iterator[Problem]:
    ipam = plugin.get("ipam")
    if isinstance(ipam, dict) and ipam.get("type"):
        return
    if index == 0 and not plugin.get("disableContainerInterface"):
        yield Problem(
            "no-ipam",
            f"{place}.ipam",
            "no ipam with a type, so that pods get no address",
            'add "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]]}',
        )


def _mtu(plugin: dict[str, Any], place: str, context: Context) -> Iterator[Problem]:
    mtu = plugin.get("mtu")
    said = mtu if isinstance(mtu, int) and not isinstance(mtu, bool) else 0
    ipam = plugin.get("ipam")
    sets = range_sets(ipam) if isinstance(ipam, dict) else []
    six = any(item.network.version == 6 for members in sets for item in members)
    floor = IPV6_MIN_MTU if six else IPV4_MIN_MTU
    if 0 < said < floor:
        family = "IPv6" if six else "IPv4"
        yield Problem(
            "mtu-small",
            f"{place}.mtu",
            f"{said} bytes, and {family} needs {floor}",
            f'write "mtu": {max(floor, KERNEL_MTU)}, or take it out',
        )
    uplink = context.uplink_mtu
    if uplink is None or plugin["type"] not in ("bridge", "ptp"):
        return
    if said > uplink:
        yield Problem(
            "mtu-large",
            f"{place}.mtu",
            f"{said} bytes, and the uplink carries {uplink}: larger packets of pods are lost",
            f'write "mtu": {uplink}',
        )
    elif not said and uplink < KERNEL_MTU:
        yield Problem(
            "mtu-unset",
            f"{place}.mtu",
            f"no mtu, so that pods send {KERNEL_MTU} bytes, and the uplink carries {uplink}",
            f'add "mtu": {uplink}',
            WARNING,
        )


def _default_routes(plugin: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    ipam = plugin.get("ipam")
    routes = ipam.get("routes") if isinstance(ipam, dict) else None
    found = []
    for index, route in enumerate(routes if isinstance(routes, list) else []):
        if not isinstance(route, dict) or not isinstance(route.get("dst"), str):
            continue
        try:
            destination = str(ip_network(route["dst"], strict=False))
        except ValueError:
            continue
        if destination in _DEFAULTS:
            found.append((index, route))
    return found


def _bridge(
    plugin: dict[str, Any], place: str, network: NetworkConfig, context: Context
) -> Iterator[Problem]:
    name = plugin.get("bridge", BRIDGE_DEFAULT_NAME)
    if isinstance(name, str) and name and not valid_interface(name):
        yield Problem(
            "bridge-name",
            f"{place}.bridge",
            f"{name!r} is no interface name: 1 to 15 bytes without /, : or spaces",
            f'write "bridge": "{BRIDGE_DEFAULT_NAME}"',
        )
    if plugin.get("hairpinMode") is True and plugin.get("promiscMode") is True:
        yield Problem(
            "hairpin-promisc",
            f"{place}.promiscMode",
            "hairpinMode and promiscMode are both on, and the plugin refuses that",
            "take promiscMode out",
        )
    if plugin.get("disableContainerInterface") is True and plugin.get("ipam"):
        yield Problem(
            "no-interface-ipam",
            f"{place}.disableContainerInterface",
            "pods get no interface that the address of ipam could go to",
            "take disableContainerInterface out",
        )
    yield from _bridge_gateway(plugin, place)
    yield from _trunk(plugin, place)


def _bridge_gateway(plugin: dict[str, Any], place: str) -> Iterator[Problem]:
    defaults = _default_routes(plugin)
    if plugin.get("isDefaultGateway") is True:
        for index, route in defaults:
            if not route.get("gw"):
                yield Problem(
                    "default-route-twice",
                    f"{place}.ipam.routes[{index}]",
                    f"isDefaultGateway adds the default route already, and {route['dst']} here "
                    'is the second: every pod fails to start with "file exists"',
                    f"take {route['dst']} out of routes",
                )
        return
    gateways = [route for _, route in defaults if route.get("gw")]
    if not plugin.get("ipam") or gateways or _delegated(place):
        return
    if not plugin.get("isGateway"):
        yield Problem(
            "no-gateway",
            f"{place}.isDefaultGateway",
            "neither isGateway nor isDefaultGateway, so that the bridge has no address and pods "
            "reach nothing beyond it",
            'add "isDefaultGateway": true, and take the default route out of ipam.routes',
            WARNING,
        )
    elif not defaults:
        yield Problem(
            "no-default-route",
            f"{place}.isDefaultGateway",
            "no default route, so that pods reach nothing beyond their own node, services included",
            'write "isDefaultGateway": true',
            WARNING,
        )


def _trunk(plugin: dict[str, Any], place: str) -> Iterator[Problem]:
    trunk = plugin.get("vlanTrunk")
    for index, item in enumerate(trunk if isinstance(trunk, list) else []):
        if not isinstance(item, dict):
            continue
        spot = f"{place}.vlanTrunk[{index}]"
        low, high = item.get("minID"), item.get("maxID")
        if (low is None) != (high is None):
            yield Problem(
                "vlan-trunk", spot, "minID and maxID only go together", "write both, or id"
            )
        elif isinstance(low, int) and isinstance(high, int) and low > high:
            yield Problem(
                "vlan-trunk", spot, f"minID {low} is more than maxID {high}", "exchange the two"
            )


def _host_device(
    plugin: dict[str, Any], place: str, network: NetworkConfig, context: Context
) -> Iterator[Problem]:
    names = ("device", "hwaddr", "kernelpath", "pciBusID")
    if not any(plugin.get(name) for name in names):
        capabilities = plugin.get("capabilities") or {}
        if not capabilities.get("deviceID"):
            yield Problem(
                "required",
                place,
                f"host-device needs one of {', '.join(names)}",
                'add "device": "eth1", say',
            )


def _portmap(
    plugin: dict[str, Any], place: str, network: NetworkConfig, context: Context
) -> Iterator[Problem]:
    if (plugin.get("capabilities") or {}).get("portMappings") is not True:
        yield Problem(
            "capability",
            f"{place}.capabilities",
            "portmap is not told of the port mappings of pods, so that hostPort does nothing",
            'add "capabilities": {"portMappings": true}',
        )
    if plugin.get("externalSetMarkChain") and "markMasqBit" in plugin:
        yield Problem(
            "exclusive",
            f"{place}.markMasqBit",
            "markMasqBit and externalSetMarkChain exclude each other",
            "take one of them out",
        )


def _bandwidth(
    plugin: dict[str, Any], place: str, network: NetworkConfig, context: Context
) -> Iterator[Problem]:
    static = False
    for way in ("ingress", "egress"):
        rate, burst = plugin.get(f"{way}Rate", 0), plugin.get(f"{way}Burst", 0)
        if not isinstance(rate, int) or not isinstance(burst, int):
            continue
        static = static or rate > 0
        if (rate > 0) != (burst > 0):
            yield Problem(
                "rate-burst",
                f"{place}.{way}Rate",
                f"{way}Rate and {way}Burst only go together",
                "write both, or neither",
            )
        if burst > BURST_LIMIT_BITS:
            yield Problem(
                "bounds",
                f"{place}.{way}Burst",
                f"{burst} bits are more than 4 GiB",
                "write a smaller burst",
            )
    if not static and (plugin.get("capabilities") or {}).get("bandwidth") is not True:
        yield Problem(
            "capability",
            f"{place}.capabilities",
            "bandwidth has no limit of its own and is not told of those of pods: it does nothing",
            'add "capabilities": {"bandwidth": true}',
            WARNING,
        )


def _tuning(
    plugin: dict[str, Any], place: str, network: NetworkConfig, context: Context
) -> Iterator[Problem]:
    settings = plugin.get("sysctl")
    for name in settings if isinstance(settings, dict) else ():
        if not name.replace("/", ".").startswith("net."):
            yield Problem(
                "sysctl",
                f"{place}.sysctl.{name}",
                f"{name} is not below net., and tuning refuses it",
                "take it out; a pod sets it by securityContext.sysctls",
            )


_RULES: dict[str, Rule] = {
    "bridge": _bridge,
    "host-device": _host_device,
    "portmap": _portmap,
    "bandwidth": _bandwidth,
    "tuning": _tuning,
}

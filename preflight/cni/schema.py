"""What each CNI plugin reads: keys, their kinds, defaults and the release that brought them. Pure.

Source: the Go sources of https://github.com/containernetworking/plugins (README.md of each plugin
at https://www.cni.dev/plugins/current/), release 1.9. The JSON decoder of Go ignores the case of
keys and every key that it does not know.
"""

from __future__ import annotations

from typing import Any

from rules.record import record

# Kinds of values. ``ip``, ``cidr`` and ``network`` (no host bits) are text; ``any`` is not judged.
BOOL, INT, UINT, TEXT, OBJECT, LIST, TEXTS = (
    "bool",
    "int",
    "uint",
    "text",
    "object",
    "list",
    "texts",
)
IP, CIDR, NETWORK, ANY = "ip", "cidr", "network", "any"


@record
class Key:
    """One key of a plugin's configuration.

    ``default`` is what the plugin takes where the key is absent (None: nothing). ``since``: the
    release of the reference plugins that first reads it, empty: every one in use. ``choices``:
    the only values of a text, ``low`` and ``high`` the bounds of a number, both included.
    ``item``: the keys of the objects of a LIST, or of an OBJECT.
    """

    kind: str
    default: Any = None
    since: str = ""
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    item: dict[str, Key] | None = None


@record
class PluginSchema:
    """A plugin: its own keys beside those that every plugin may have.

    ``closed``: all keys are known, so that any other is a mistake. ``role``: ``interface``
    (makes the pod's interface), ``meta`` (only works after another one) or ``ipam``.
    ``ipam``: whether pods get no address unless an ``ipam`` section says where from.
    ``capabilities`` are those that it understands, ``oldest_spec`` the oldest cniVersion.
    """

    keys: dict[str, Key]
    closed: bool = True
    role: str = "interface"
    ipam: bool = False
    required: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    since: str = ""
    oldest_spec: str = "0.1.0"


_ROUTES = Key(
    LIST,
    item={
        "dst": Key(CIDR),
        "gw": Key(IP),
        "mtu": Key(INT),
        "advmss": Key(INT),
        "priority": Key(INT),
        "table": Key(INT),
        "scope": Key(INT),
    },
)
_DNS = Key(
    OBJECT,
    item={
        "nameservers": Key(TEXTS),
        "domain": Key(TEXT),
        "search": Key(TEXTS),
        "options": Key(TEXTS),
    },
)
_MTU = Key(INT, 0, low=0, high=65535)
_IP_MASQ = {
    "ipMasq": Key(BOOL, False),
    "ipMasqBackend": Key(TEXT, "iptables", "1.6.0", ("iptables", "nftables")),
}
_RANGE = {
    "subnet": Key(NETWORK),
    "rangeStart": Key(IP),
    "rangeEnd": Key(IP),
    "gateway": Key(IP),
}
_VLAN_ID = Key(INT, low=1, high=4094)

# Keys of every plugin (SPEC.md, "Plugin configuration objects"); ipMasq is well-known there too.
COMMON: dict[str, Key] = {
    "type": Key(TEXT),
    "name": Key(TEXT),
    "cniVersion": Key(TEXT),
    "capabilities": Key(OBJECT),
    "ipMasq": Key(BOOL, False),
    "ipam": Key(OBJECT),
    "dns": _DNS,
}
# Keys of a list (SPEC.md 1.1.0, and loadOnlyInlinedPlugins of libcni 1.3).
LIST_KEYS: dict[str, Key] = {
    "cniVersion": Key(TEXT),
    "cniVersions": Key(TEXTS),
    "name": Key(TEXT),
    "disableCheck": Key(BOOL, False),
    "disableGC": Key(BOOL, False),
    "loadOnlyInlinedPlugins": Key(BOOL, False),
    "plugins": Key(LIST),
}
# Made by the runtime for each pod; SPEC.md forbids them in files.
RUNTIME_KEYS = ("runtimeConfig", "prevResult")
RUNTIME_PREFIX = "cni.dev/"

BRIDGE_DEFAULT_NAME = "cni0"

INTERFACE_PLUGINS: dict[str, PluginSchema] = {
    "bridge": PluginSchema(
        {
            "bridge": Key(TEXT, BRIDGE_DEFAULT_NAME),
            "isGateway": Key(BOOL, False),
            "isDefaultGateway": Key(BOOL, False),
            "forceAddress": Key(BOOL, False),
            **_IP_MASQ,
            "mtu": _MTU,
            "hairpinMode": Key(BOOL, False),
            "promiscMode": Key(BOOL, False),
            "vlan": Key(INT, 0, low=0, high=4094),
            "vlanTrunk": Key(
                LIST,
                since="1.3.0",
                item={
                    "minID": _VLAN_ID,
                    "maxID": _VLAN_ID,
                    "id": _VLAN_ID,
                },
            ),
            "preserveDefaultVlan": Key(BOOL, False, "1.3.0"),
            "macspoofchk": Key(BOOL, False),
            "enabledad": Key(BOOL, False),
            "disableContainerInterface": Key(BOOL, False),
            "portIsolation": Key(BOOL, False, "1.7.0"),
        },
        ipam=True,
        capabilities=("mac",),
    ),
    "ptp": PluginSchema({**_IP_MASQ, "mtu": _MTU}, ipam=True),
    "vlan": PluginSchema(
        {
            "master": Key(TEXT),
            "vlanId": Key(INT, low=0, high=4094),
            "mtu": _MTU,
            "linkInContainer": Key(BOOL, False),
        },
        ipam=True,
        required=("master",),
    ),
    "ipvlan": PluginSchema(
        {
            "master": Key(TEXT),
            "mode": Key(TEXT, "l2", choices=("l2", "l3", "l3s")),
            "mtu": _MTU,
            "linkInContainer": Key(BOOL, False),
        },
        ipam=True,
    ),
    "macvlan": PluginSchema(
        {
            "master": Key(TEXT),
            "mode": Key(TEXT, "bridge", choices=("bridge", "private", "vepa", "passthru")),
            "mtu": _MTU,
            "mac": Key(TEXT),
            "linkInContainer": Key(BOOL, False),
            "bcqueuelen": Key(UINT, 0),
        },
        ipam=True,
        capabilities=("mac",),
    ),
    "host-device": PluginSchema(
        {
            "device": Key(TEXT),
            "hwaddr": Key(TEXT),
            "kernelpath": Key(TEXT),
            "pciBusID": Key(TEXT),
        },
        ipam=True,
        capabilities=("deviceID",),
    ),
    "loopback": PluginSchema({}),
    "dummy": PluginSchema({}, ipam=True, since="1.2.0"),
    "tap": PluginSchema(
        {
            "multiQueue": Key(BOOL, False),
            "mtu": _MTU,
            "mac": Key(TEXT),
            "owner": Key(UINT),
            "group": Key(UINT),
            "selinuxContext": Key(TEXT),
            "bridge": Key(TEXT),
        },
        ipam=True,
        capabilities=("mac",),
        since="1.3.0",
    ),
    "win-bridge": PluginSchema(
        {
            "apiVersion": Key(INT, 1),
            "ipMasqNetwork": Key(TEXT),
            "policies": Key(LIST),
            "loopbackDSR": Key(BOOL, False),
        },
        ipam=True,
        capabilities=("portMappings", "dns"),
    ),
    "win-overlay": PluginSchema(
        {
            "endpointMacPrefix": Key(TEXT, "0E-2A"),
            "policies": Key(LIST),
            "loopbackDSR": Key(BOOL, False),
            "apiVersion": Key(INT, 1),
        },
        ipam=True,
        capabilities=("portMappings", "dns"),
    ),
}

META_PLUGINS: dict[str, PluginSchema] = {
    "portmap": PluginSchema(
        {
            "backend": Key(TEXT, "iptables", "1.6.0", ("iptables", "nftables")),
            "snat": Key(BOOL, True),
            "masqAll": Key(BOOL, False),
            "markMasqBit": Key(INT, 13, low=0, high=31),
            "externalSetMarkChain": Key(TEXT),
            "conditionsV4": Key(TEXTS),
            "conditionsV6": Key(TEXTS),
        },
        role="meta",
        capabilities=("portMappings",),
    ),
    "bandwidth": PluginSchema(
        {
            "ingressRate": Key(UINT, 0),
            "ingressBurst": Key(UINT, 0),
            "egressRate": Key(UINT, 0),
            "egressBurst": Key(UINT, 0),
        },
        role="meta",
        capabilities=("bandwidth",),
    ),
    "firewall": PluginSchema(
        {
            "backend": Key(TEXT, choices=("iptables", "firewalld")),
            "iptablesAdminChainName": Key(TEXT, "CNI-ADMIN"),
            "firewalldZone": Key(TEXT, "trusted"),
            "ingressPolicy": Key(TEXT, "open", choices=("open", "same-bridge", "isolated")),
        },
        role="meta",
        oldest_spec="0.4.0",
    ),
    "tuning": PluginSchema(
        {
            "sysctl": Key(OBJECT),
            "mac": Key(TEXT),
            "promisc": Key(BOOL, False),
            "mtu": _MTU,
            "txQLen": Key(INT, since="1.4.0", low=0),
            "allmulti": Key(BOOL),
            "dataDir": Key(TEXT, "/run/cni/tuning"),
        },
        role="meta",
        capabilities=("mac",),
    ),
    "sbr": PluginSchema(
        {
            "table": Key(INT),
            "gateways": Key(TEXTS),
            "addSourceHints": Key(BOOL, False),
        },
        role="meta",
    ),
    "vrf": PluginSchema(
        {"vrfname": Key(TEXT), "table": Key(UINT)}, role="meta", required=("vrfname",)
    ),
}

IPAM_PLUGINS: dict[str, PluginSchema] = {
    "host-local": PluginSchema(
        {
            "ranges": Key(LIST),
            **_RANGE,
            "routes": _ROUTES,
            "dataDir": Key(TEXT, "/var/lib/cni/networks"),
            "resolvConf": Key(TEXT),
        },
        role="ipam",
    ),
    "dhcp": PluginSchema(
        {
            "daemonSocketPath": Key(TEXT, "/run/cni/dhcp.sock"),
            "provide": Key(
                LIST, item={"option": Key(ANY), "value": Key(TEXT), "fromArg": Key(TEXT)}
            ),
            "request": Key(LIST, item={"option": Key(ANY), "skipDefault": Key(BOOL)}),
            "priority": Key(INT),
        },
        role="ipam",
    ),
    "static": PluginSchema(
        {
            "addresses": Key(LIST, item={"address": Key(CIDR), "gateway": Key(IP)}),
            "routes": _ROUTES,
            "dns": _DNS,
        },
        role="ipam",
        capabilities=("ips",),
    ),
}

# Products whose plugin reads more than is written down here: their own keys are not judged.
TOLERATED: dict[str, PluginSchema] = {
    **{
        name: PluginSchema({}, closed=False)
        for name in (
            "calico",
            "cilium-cni",
            "flannel",
            "weave-net",
            "antrea",
            "nsx",
            "kube-ovn",
            "aws-cni",
            "azure-vnet",
            "multus",
        )
    },
    **{
        name: PluginSchema({}, closed=False, role="ipam")
        for name in ("calico-ipam", "weave-ipam", "infoblox", "whereabouts", "azure-vnet-ipam")
    },
}

PLUGINS: dict[str, PluginSchema] = {
    **INTERFACE_PLUGINS,
    **META_PLUGINS,
    **IPAM_PLUGINS,
    **TOLERATED,
}
REFERENCE = frozenset({**INTERFACE_PLUGINS, **META_PLUGINS, **IPAM_PLUGINS})
RANGE_KEYS: dict[str, Key] = _RANGE


def keys_of(kind: str) -> dict[str, Key] | None:
    """All keys that a plugin of this type may have; None where they are not known."""
    schema = PLUGINS.get(kind)
    if schema is None or not schema.closed:
        return None
    common = {"type": COMMON["type"]} if schema.role == "ipam" else COMMON
    return {**common, **schema.keys}

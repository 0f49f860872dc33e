"""Interfaces and addresses: from `ip -d -j addr`, else from /sys and the C library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from preflight.facts.host import Host
from preflight.facts.model import Known
from preflight.facts.model.network import Address, Interface
from preflight.facts.sysclass import DeviceClass, read_class, read_devices
from rules.run import Output

COMMAND = ("ip", "-d", "-j", "addr")
FOREVER_S = 0xFFFFFFFF
_ADDRESS_FLAGS = (
    "secondary",
    "dynamic",
    "temporary",
    "mngtmpaddr",
    "deprecated",
    "tentative",
    "optimistic",
    "dadfailed",
    "nodad",
    "noprefixroute",
    "stable-privacy",
)


def parse_addr(text: str, devices: DeviceClass) -> tuple[Interface, ...]:
    """``ip -d -j addr`` -> interfaces with addresses, in the kernel's order.

    iproute2 before 5.0 leaves empty objects in the list; fields come and go between versions.
    Raises ValueError for text that is not such a list.
    """
    items = json.loads(text or "[]")
    if not isinstance(items, list):
        raise ValueError("not a list of interfaces")
    named = [item for item in items if isinstance(item, dict) and "ifname" in item]
    names = {item["ifname"] for item in named}
    return tuple(_interface(item, names, devices) for item in named)


def _interface(item: dict[str, Any], names: set[str], devices: DeviceClass) -> Interface:
    flags = item.get("flags", [])
    info = item.get("linkinfo") or {}
    name, index, kind = str(item["ifname"]), int(item.get("ifindex", 0)), info.get("info_kind", "")
    loopback, up = "LOOPBACK" in flags, "UP" in flags
    # "if7" stands for an index that has no name in this namespace.
    link = str(item.get("link") or (info.get("info_data") or {}).get("link") or "")
    elsewhere = "link_netnsid" in item or "link_index" in item or (link != "" and link not in names)
    key = (name, index)
    return Interface(
        name=name,
        index=index,
        kind=kind,
        up=up,
        carrier="LOWER_UP" in flags if up else None,
        mac="" if loopback or item.get("link_type") == "none" else str(item.get("address", "")),
        mtu=int(item.get("mtu", 0)),
        permanent_mac=str(item.get("permaddr", "")),
        # A card says its bus too, since iproute2 5.12; then /sys need not show this namespace.
        hardware=bool(item.get("parentdev")) or key in devices.hardware,
        port_of=str(item.get("master", "")),
        parent="" if elsewhere or kind in ("veth", "netkit") else link,
        peer_elsewhere=kind in ("veth", "netkit") and elsewhere,
        loopback=loopback,
        mac_pinned=devices.mac_pinned(key),
        addresses=tuple(_addresses(item.get("addr_info", []))),
        arp="NOARP" not in flags,
        virtual_functions=len(item.get("vfinfo_list") or ()),
    )


def _addresses(items: list[dict[str, Any]]) -> Iterable[Address]:
    for item in items:
        if item.get("family") not in ("inet", "inet6") or "local" not in item:
            continue
        interface = (
            IPv4Interface((item["local"], item.get("prefixlen", 32)))
            if item["family"] == "inet"
            else IPv6Interface((item["local"], item.get("prefixlen", 128)))
        )
        valid_s = item.get("valid_life_time", FOREVER_S)
        flags = tuple(flag for flag in _ADDRESS_FLAGS if item.get(flag))
        scope = str(item.get("scope", "global"))
        yield Address(interface, scope, flags, None if valid_s == FOREVER_S else int(valid_s))


def start_links(host: Host) -> Callable[[], Known[tuple[Interface, ...]]]:
    """Starts `ip`; calling the answer waits for it, and reads /sys where there is no such `ip`."""
    answer = host.start(COMMAND)
    devices = read_devices(host)

    def finish() -> Known[tuple[Interface, ...]]:
        output = answer()
        if isinstance(output, Output):
            try:
                return parse_addr(output.stdout, devices)
            except (ValueError, TypeError):
                return read_class(host, devices)
        # busybox's ip has no -j.
        return output if output.reason == "timeout" else read_class(host, devices)

    return finish

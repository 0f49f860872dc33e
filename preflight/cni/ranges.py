"""The address ranges of host-local, as the plugin fills them in. Pure.

Source: plugins/ipam/host-local/backend/allocator/range.go and config.go of
https://github.com/containernetworking/plugins.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from rules.cluster import IPAddress, IPNetwork
from rules.record import record

# What the kernel gives a new bridge or veth, in bytes.
KERNEL_MTU = 1500


@record
class AddressRange:
    """One range. ``network`` has its host bits cleared; ``host_bits``: whether it had any.

    ``start``, ``end`` and ``gateway`` are the defaults of the plugin where the file says nothing:
    the first address, the last before the broadcast address, and the first.
    """

    place: str
    network: IPNetwork
    host_bits: bool
    start: IPAddress
    end: IPAddress
    gateway: IPAddress
    gateway_said: bool

    @property
    def size(self) -> int:
        """How many pods can have an address of it; the gateway is never handed out."""
        count = int(self.end) - int(self.start) + 1
        inside = int(self.start) <= int(self.gateway) <= int(self.end)
        return max(0, count - inside)


def range_sets(ipam: dict[str, Any], place: str = "ipam") -> list[list[AddressRange]]:
    """The sets of ranges: a pod gets one address of each. Ranges that cannot be read are left out.

    The old single range at the top comes first, as in the plugin.
    """
    sets: list[list[AddressRange]] = []
    if ipam.get("subnet") and (one := parse_range(ipam, place)):
        sets.append([one])
    ranges = ipam.get("ranges")
    for outer, members in enumerate(ranges if isinstance(ranges, list) else []):
        if not isinstance(members, list):
            continue
        parsed = [
            parse_range(member, f"{place}.ranges[{outer}][{inner}]")
            for inner, member in enumerate(members)
            if isinstance(member, dict)
        ]
        sets.append([item for item in parsed if item is not None])
    return [members for members in sets if members]


def parse_range(body: dict[str, Any], place: str) -> AddressRange | None:
    """One range with its defaults; None where it has no readable subnet."""
    text = body.get("subnet")
    if not isinstance(text, str) or "/" not in text:
        return None
    try:
        network = ip_network(text, strict=False)
        host_bits = ip_address(text.split("/")[0]) != network.network_address
    except ValueError:
        return None
    first, last = network.network_address + 0, network.broadcast_address
    # Tiny networks have no address between the two; the lint says so.
    second = first + 1 if network.num_addresses > 1 else first
    before_last = last - (1 if network.version == 4 and network.num_addresses > 2 else 0)
    gateway = _address(body.get("gateway"), network.version)
    return AddressRange(
        place=place,
        network=network,
        host_bits=host_bits,
        start=_address(body.get("rangeStart"), network.version) or second,
        end=_address(body.get("rangeEnd"), network.version) or before_last,
        gateway=gateway or second,
        gateway_said=gateway is not None,
    )


def overlap(one: AddressRange, other: AddressRange) -> bool:
    """Whether an address could be handed out by both."""
    if one.network.version != other.network.version:
        return False
    return int(one.start) <= int(other.end) and int(other.start) <= int(one.end)


def _address(text: Any, version: int) -> IPv4Address | IPv6Address | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address if address.version == version else None

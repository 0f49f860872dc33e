"""Interfaces and addresses without `ip`: /sys/class/net, /proc/net/if_inet6, the C library."""

from __future__ import annotations

import os
from ipaddress import IPv4Interface, IPv6Interface

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import Address, Interface
from rules.record import record

CLASS = "/sys/class/net"
# include/uapi/linux/if.h, include/uapi/linux/if_arp.h
IFF_UP, IFF_LOOPBACK, IFF_NOARP = 0x1, 0x8, 0x80
# include/uapi/linux/if_addr.h, in the words of `ip`; what is not permanent is "dynamic".
_V6_FLAGS = {
    0x01: "temporary",
    0x02: "nodad",
    0x04: "optimistic",
    0x08: "dadfailed",
    0x10: "home",
    0x20: "deprecated",
    0x40: "tentative",
}
_PERMANENT = 0x80
_V6_SCOPES = {0x00: "global", 0x10: "host", 0x20: "link", 0x40: "site"}


@record
class DeviceClass:
    """What only /sys/class/net tells, by (name, index): a /sys that shows another network
    namespace has other indices, and its answers then do not count."""

    hardware: frozenset[tuple[str, int]] = frozenset()
    pinned: frozenset[tuple[str, int]] = frozenset()
    unpinned: frozenset[tuple[str, int]] = frozenset()

    def mac_pinned(self, key: tuple[str, int]) -> bool | None:
        """Whether a bridge's MAC was set by hand; None for anything else that it does not show."""
        return key in self.pinned if key in self.pinned | self.unpinned else None


def parse_if_inet6(text: str) -> dict[str, tuple[Address, ...]]:
    """/proc/net/if_inet6: address, index, prefix length, scope, flags (hex), name."""
    found: dict[str, tuple[Address, ...]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) != 6:
            continue
        interface = IPv6Interface((bytes.fromhex(words[0]), int(words[2], 16)))
        bits = int(words[4], 16)
        flags = [word for bit, word in _V6_FLAGS.items() if bits & bit]
        flags += [] if bits & _PERMANENT else ["dynamic"]
        scope = _V6_SCOPES.get(int(words[3], 16), "global")
        found[words[5]] = (*found.get(words[5], ()), Address(interface, scope, tuple(flags)))
    return found


def read_devices(host: Host) -> DeviceClass:
    """Cards and hand-set bridge MACs. Two reads for each card or bridge, one look for the rest."""
    names = host.listdir(CLASS)
    hardware, pinned, unpinned = set(), set(), set()
    for name in () if isinstance(names, Unknown) else names:
        card = os.path.exists(f"{CLASS}/{name}/device")
        if not card and not os.path.isdir(f"{CLASS}/{name}/bridge"):
            continue
        index = _number(host, name, "ifindex")
        if card:
            hardware.add((name, index))
        elif _number(host, name, "addr_assign_type") == 3:
            pinned.add((name, index))
        else:
            unpinned.add((name, index))
    return DeviceClass(frozenset(hardware), frozenset(pinned), frozenset(unpinned))


def read_class(host: Host, devices: DeviceClass) -> Known[tuple[Interface, ...]]:
    """The interfaces without `ip`: /sys/class/net, /proc/net/if_inet6 and the C library."""
    names = host.listdir(CLASS)
    if isinstance(names, Unknown):
        return names
    text = host.read("/proc/net/if_inet6")
    v6 = {} if isinstance(text, Unknown) else parse_if_inet6(text)
    v4 = _read_v4()
    indices = {name: _number(host, name, "ifindex") for name in names}
    found = [
        _from_class(host, name, indices, devices, (*v4.get(name, ()), *v6.get(name, ())))
        for name in names
        if indices[name]
    ]
    return tuple(sorted(found, key=lambda item: item.index))


def _from_class(
    host: Host,
    name: str,
    indices: dict[str, int],
    devices: DeviceClass,
    addresses: tuple[Address, ...],
) -> Interface:
    flags, index = _number(host, name, "flags"), indices[name]
    up, loopback = bool(flags & IFF_UP), bool(flags & IFF_LOOPBACK)
    # iflink is the other end, its own index where there is none.
    other = _number(host, name, "iflink") or index
    peer = next((item for item, number in indices.items() if number == other), "")
    lower = [item for item in os.listdir(f"{CLASS}/{name}") if item.startswith("lower_")]
    kind = _kind(host, name, paired=other != index and not lower)
    mac = _text(host, name, "address")
    return Interface(
        name=name,
        index=index,
        kind=kind,
        up=up,
        carrier=_text(host, name, "carrier") == "1" if up else None,
        mac="" if loopback else mac,
        mtu=_number(host, name, "mtu"),
        hardware=(name, index) in devices.hardware,
        port_of=os.path.basename(os.path.realpath(f"{CLASS}/{name}/master"))
        if os.path.exists(f"{CLASS}/{name}/master")
        else "",
        parent=peer if kind != "veth" and other != index else "",
        peer_elsewhere=kind == "veth" and not peer,
        loopback=loopback,
        mac_pinned=devices.mac_pinned((name, index)),
        addresses=addresses,
        arp=not flags & IFF_NOARP,
    )


def _kind(host: Host, name: str, *, paired: bool) -> str:
    for line in _text(host, name, "uevent").splitlines():
        if line.startswith("DEVTYPE="):
            word = line.removeprefix("DEVTYPE=")
            return "" if word in ("wlan", "wwan") else word
    if os.path.exists(f"{CLASS}/{name}/tun_flags"):
        return "tun"
    return "veth" if paired else ""


def _read_v4() -> dict[str, tuple[Address, ...]]:
    # The C library's getifaddrs, which has no file in /proc; only where there is no `ip`.
    import socket

    import psutil

    return {
        name: tuple(
            _v4_address(IPv4Interface(f"{item.address}/{item.netmask or 32}"))
            for item in items
            if item.family == socket.AF_INET
        )
        for name, items in psutil.net_if_addrs().items()
    }


def _v4_address(interface: IPv4Interface) -> Address:
    ip = interface.ip
    return Address(
        interface, "host" if ip.is_loopback else "link" if ip.is_link_local else "global"
    )


def _text(host: Host, name: str, attribute: str) -> str:
    text = host.read(f"{CLASS}/{name}/{attribute}")
    return "" if isinstance(text, Unknown) else text.strip()


def _number(host: Host, name: str, attribute: str) -> int:
    try:
        return int(_text(host, name, attribute) or "0", 0)
    except ValueError:
        return 0

"""DHCP leases in use: the files of systemd-networkd, dhclient, NetworkManager and dhcpcd."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import Interface, IPAddress, Lease

NETWORKD_DIRECTORY = "/run/systemd/netif/leases"
NETWORK_MANAGER_DIRECTORY = "/var/lib/NetworkManager"
DHCLIENT_DIRECTORIES = ("/var/lib/dhcp", "/var/lib/dhclient", NETWORK_MANAGER_DIRECTORY)
DHCPCD_DIRECTORY = "/var/lib/dhcpcd"
_ADDRESS = re.compile(r"^ADDRESS=(\S+)$", re.MULTILINE)
_NM_INTERNAL = re.compile(r"internal-[0-9a-f-]{36}-(.+)\.lease")
_DHCLIENT_LEASE = re.compile(r"^lease\s*\{(.*?)^\}", re.MULTILINE | re.DOTALL)
_DHCLIENT_FIELD = re.compile(r'^\s*(interface|fixed-address|expire)\s+"?([^";]+)"?;', re.MULTILINE)
# The "your address" field of a DHCP packet (RFC 2131, section 2), which dhcpcd stores whole.
_YIADDR = slice(16, 20)
_BOOTREPLY = 2


def parse_keyed_lease(text: str) -> IPAddress | None:
    """A lease of systemd-networkd or of NetworkManager's own client: ``ADDRESS=192.0.2.11``."""
    match = _ADDRESS.search(text)
    return _address(match.group(1)) if match else None


def parse_dhclient(text: str, now_s: float) -> tuple[Lease, ...]:
    """dhclient.leases(5): the leases that have not expired; a later one replaces an earlier."""
    found: dict[tuple[str, IPAddress], Lease] = {}
    for match in _DHCLIENT_LEASE.finditer(text):
        fields = dict(_DHCLIENT_FIELD.findall(match.group(1)))
        address = _address(fields.get("fixed-address", ""))
        name = fields.get("interface", "")
        if address is None or not name:
            continue
        found.pop((name, address), None)
        if _expires_s(fields.get("expire", "never")) > now_s:
            found[name, address] = Lease(name, address, "dhclient")
    return tuple(found.values())


def _expires_s(text: str) -> float:
    # "4 2026/11/23 21:14:46" in UTC, "epoch 1795468486", or "never".
    words = text.split()
    if words[0] == "epoch" and len(words) > 1 and words[1].isdecimal():
        return float(words[1])
    match = re.search(r"(\d+)/(\d+)/(\d+) (\d+):(\d+):(\d+)", text)
    if match is None:
        return float("inf")
    import calendar

    year, month, day, hour, minute, second = (int(number) for number in match.groups())
    return float(calendar.timegm((year, month, day, hour, minute, second)))


def parse_dhcpcd(packet: bytes) -> IPAddress | None:
    """A stored DHCP reply; None for anything else."""
    if len(packet) < 240 or packet[0] != _BOOTREPLY:
        return None
    return IPv4Address(packet[_YIADDR])


def _address(text: str) -> IPAddress | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def read_leases(host: Host, interfaces: Iterable[Interface]) -> Known[tuple[Lease, ...]]:
    """The leases whose address is on its interface now. Files of dead clients do not count."""
    every = tuple(interfaces)
    held = {(item.name, address.ip) for item in every for address in item.addresses}
    names = {str(item.index): item.name for item in every}
    found: list[Lease] = []
    refused: list[Unknown] = []
    for name in _list(host, NETWORKD_DIRECTORY, refused):
        address = _keyed(host, f"{NETWORKD_DIRECTORY}/{name}", refused)
        if address:
            found.append(Lease(names.get(name, ""), address, "systemd-networkd"))
    for directory in DHCLIENT_DIRECTORIES:
        for name in _list(host, directory, refused):
            found += _client_file(host, f"{directory}/{name}", refused)
    for name in _list(host, DHCPCD_DIRECTORY, refused):
        found += _dhcpcd_file(host, f"{DHCPCD_DIRECTORY}/{name}", refused)
    live = tuple(lease for lease in found if (lease.interface, lease.address) in held)
    return refused[0] if refused and not live else live


def _list(host: Host, directory: str, refused: list[Unknown]) -> tuple[str, ...]:
    names = host.listdir(directory)
    if not isinstance(names, Unknown):
        return names
    # NetworkManager's addresses have the kernel's flag for leased ones, so nothing is missed.
    if names.reason == "denied" and directory != NETWORK_MANAGER_DIRECTORY:
        refused.append(names)
    return ()


def _keyed(host: Host, path: str, refused: list[Unknown]) -> IPAddress | None:
    text = host.read(path)
    if isinstance(text, Unknown):
        if text.reason == "denied":
            refused.append(text)
        return None
    return parse_keyed_lease(text)


def _client_file(host: Host, path: str, refused: list[Unknown]) -> tuple[Lease, ...]:
    name = os.path.basename(path)
    if match := _NM_INTERNAL.fullmatch(name):
        address = _keyed(host, path, refused)
        return (Lease(match.group(1), address, "NetworkManager"),) if address else ()
    if not name.endswith((".leases", ".lease")) or name.startswith("dhclient6"):
        return ()
    text = host.read(path)
    if isinstance(text, Unknown):
        if text.reason == "denied":
            refused.append(text)
        return ()
    return parse_dhclient(text, time.time())


def _dhcpcd_file(host: Host, path: str, refused: list[Unknown]) -> tuple[Lease, ...]:
    name, extension = os.path.splitext(os.path.basename(path))
    if extension != ".lease":
        return ()
    packet = host.read_bytes(path)
    if isinstance(packet, Unknown):
        if packet.reason == "denied":
            refused.append(packet)
        return ()
    address = parse_dhcpcd(packet)
    # "eth0.lease", and "wlan0-SSID.lease" for a wireless network.
    return (Lease(name.split("-", 1)[0], address, "dhcpcd"),) if address else ()

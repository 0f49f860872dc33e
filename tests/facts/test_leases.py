from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Any

import pytest

from preflight.facts.host import Host
from preflight.facts.leases import (
    parse_dhclient,
    parse_dhcpcd,
    parse_keyed_lease,
    read_leases,
)
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import Lease
from tests.nodes.network import eth0, loopback

NETWORKD = """\
# This is private data. Do not parse.
ADDRESS=192.0.2.11
NETMASK=255.255.255.0
ROUTER=192.0.2.1
SERVER_ADDRESS=192.0.2.1
LIFETIME=3600
CLIENTID=ffb6220feb00020000ab11d4a1c5a4a5c5
"""
# dhclient of Debian 11 (ifupdown), the older lease first.
DHCLIENT = """\
lease {
  interface "eth0";
  fixed-address 192.0.2.77;
  option subnet-mask 255.255.255.0;
  renew 1 2026/11/02 10:00:00;
  rebind 1 2026/11/02 10:00:00;
  expire 1 2026/11/02 11:00:00;
}
lease {
  interface "eth0";
  fixed-address 192.0.2.11;
  option subnet-mask 255.255.255.0;
  option routers 192.0.2.1;
  option domain-name "example.net";
  expire 1 2026/11/23 21:00:00;
}
"""
# dhclient of RHEL 8 with `db-time-format local`.
EPOCH = """\
default-duid "\\000\\001";
lease {
  interface "ens192";
  fixed-address 198.51.100.7;
  expire epoch 1795467600; # Mon Nov 23 21:00:00 2026
}
"""
# 2026-11-23 20:00 and 22:00 UTC.
BEFORE_S, AFTER_S = 1795464000.0, 1795471200.0


def reply(address: str, operation: int = 2) -> bytes:
    head = struct.pack("!4B I H H 4s", operation, 1, 6, 0, 7, 0, 0, bytes(4))
    return (head + ip_address(address).packed).ljust(300, b"\0")


def test_systemd_networkd() -> None:
    assert parse_keyed_lease(NETWORKD) == ip_address("192.0.2.11")
    assert parse_keyed_lease("SERVER_ADDRESS=192.0.2.1\n") is None
    assert parse_keyed_lease("ADDRESS=nonsense\n") is None


def test_dhclient_counts_what_has_not_expired() -> None:
    assert parse_dhclient(DHCLIENT, BEFORE_S) == (
        Lease("eth0", ip_address("192.0.2.11"), "dhclient"),
    )
    assert parse_dhclient(DHCLIENT, AFTER_S) == ()
    assert len(parse_dhclient(EPOCH, BEFORE_S)) == 1
    assert parse_dhclient(EPOCH, AFTER_S) == ()
    never = DHCLIENT.replace("1 2026/11/23 21:00:00", "never")
    assert len(parse_dhclient(never, AFTER_S)) == 1
    assert parse_dhclient("lease {\n  interface", AFTER_S) == ()


def test_dhcpcd() -> None:
    assert parse_dhcpcd(reply("192.0.2.11")) == ip_address("192.0.2.11")
    assert parse_dhcpcd(reply("192.0.2.11", operation=1)) is None
    assert parse_dhcpcd(b"short") is None


class Files(Host):
    """A machine with these files, and these directories that may not be listed."""

    def __init__(self, files: dict[str, str | bytes], refused: tuple[str, ...] = ()) -> None:
        super().__init__(offline=True)
        self.files, self.refused = files, refused

    def listdir(self, path: str) -> Known[tuple[str, ...]]:
        if path in self.refused:
            return Unknown("denied", f"{path} may not be read")
        return tuple(
            name.rsplit("/", 1)[1] for name in self.files if name.rsplit("/", 1)[0] == path
        )

    def read_bytes(self, path: str, limit_bytes: int = 0) -> Known[bytes]:
        value: Any = self.files[path]
        return value.encode() if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("path", "content", "client"),
    [
        ("/run/systemd/netif/leases/2", NETWORKD, "systemd-networkd"),
        ("/var/lib/dhcp/dhclient.eth0.leases", DHCLIENT.replace("2026", "2199"), "dhclient"),
        (
            "/var/lib/NetworkManager/internal-5fb06bd0-0bb0-7ffb-45f1-d6edd65f3e03-eth0.lease",
            NETWORKD,
            "NetworkManager",
        ),
        ("/var/lib/dhcpcd/eth0.lease", reply("192.0.2.11"), "dhcpcd"),
        ("/var/lib/dhcpcd/eth0-office.lease", reply("192.0.2.11"), "dhcpcd"),
    ],
)
def test_the_files_of_each_client(path: str, content: str | bytes, client: str) -> None:
    found = read_leases(Files({path: content}), (loopback(), eth0()))
    assert found == (Lease("eth0", ip_address("192.0.2.11"), client),)


def test_a_lease_of_another_address_is_an_old_one() -> None:
    host = Files({"/run/systemd/netif/leases/2": NETWORKD.replace("192.0.2.11", "192.0.2.12")})
    assert read_leases(host, (eth0(),)) == ()
    host = Files({"/run/systemd/netif/leases/9": NETWORKD})
    assert read_leases(host, (eth0(),)) == ()


def test_refused_directories() -> None:
    refused = read_leases(Files({}, ("/var/lib/dhclient",)), (eth0(),))
    assert isinstance(refused, Unknown)
    assert refused.reason == "denied"
    # The kernel itself marks the addresses that NetworkManager leased.
    assert read_leases(Files({}, ("/var/lib/NetworkManager",)), (eth0(),)) == ()

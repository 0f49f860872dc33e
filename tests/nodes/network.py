"""Healthy network facts: one card with a static address, IPv6 with link-local addresses only."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from preflight.facts.model.network import (
    Address,
    DuplicateProbe,
    Interface,
    Neighbour,
    Network,
    ResolvConf,
    Route,
    TimeSync,
)

MAC = "52:54:00:12:34:56"


def address(text: str, *flags: str, scope: str = "global", valid_s: int | None = None) -> Address:
    return Address(ip_interface(text), scope, flags, valid_s)


def interface(
    name: str, index: int, *addresses: str, mac: str = "", hardware: bool = True
) -> Interface:
    """A connected card with static addresses."""
    return Interface(
        name=name,
        index=index,
        kind="",
        up=True,
        carrier=True,
        mac=mac or f"52:54:00:12:34:{0x54 + index:02x}",
        mtu=1500,
        hardware=hardware,
        addresses=tuple(address(text) for text in addresses),
    )


def route(destination: str, by: str, via: str = "", **fields: object) -> Route:
    network = ip_network("0.0.0.0/0" if destination == "default" else destination)
    gateway = ip_address(via) if via else None
    return Route(network, by, gateway, **fields)  # type: ignore[arg-type]


def loopback() -> Interface:
    return Interface(
        name="lo",
        index=1,
        kind="",
        up=True,
        carrier=True,
        mac="",
        mtu=65536,
        loopback=True,
        addresses=(address("127.0.0.1/8", scope="host"), address("::1/128", scope="host")),
        arp=True,
    )


def eth0() -> Interface:
    return Interface(
        name="eth0",
        index=2,
        kind="",
        up=True,
        carrier=True,
        mac=MAC,
        mtu=1500,
        hardware=True,
        addresses=(
            address("192.0.2.11/24"),
            address("fe80::5054:ff:fe12:3456/64", scope="link"),
        ),
    )


def healthy() -> Network:
    return Network(
        interfaces=(loopback(), eth0()),
        routes=(
            route("default", "eth0", "192.0.2.1", protocol="static"),
            route("192.0.2.0/24", "eth0", protocol="kernel", source=ip_address("192.0.2.11")),
            route("192.0.2.11/32", "eth0", table="local", type="local", protocol="kernel"),
            route("fe80::/64", "eth0", metric=256, protocol="kernel"),
        ),
        neighbours=(
            Neighbour(ip_address("192.0.2.1"), "eth0", "52:54:00:aa:bb:01", "REACHABLE"),
            Neighbour(ip_address("192.0.2.12"), "eth0", "52:54:00:12:34:77", "STALE"),
        ),
        leases=(),
        duplicate_probes=(DuplicateProbe("eth0", ip_address("192.0.2.11"), "", 3),),
        resolv_conf=ResolvConf("/etc/resolv.conf", "/etc/resolv.conf", ("192.0.2.1",)),
        upstream_resolv_conf=None,
        resolved_active=False,
        time_sync=TimeSync(True, "chrony", 0.021),
        link_managers=(),
    )

"""Throw-away pods: network namespaces with a name of ours, and what they are attached to."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from secrets import token_hex
from struct import pack, unpack
from typing import Any

from preflight.cni.probing import address_of
from preflight.cni.result import result_ips
from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.netns import configure, inside
from rules.record import record
from rules.run import run

NAMESPACE_DIR = "/run/netns"
PREFIX = "nodeprep-prove-"
_TIMEOUT_S = 20.0
# <linux/sockios.h>
_SIOCGIFMTU = 0x8921


@record
class Pod:
    """A namespace, and the addresses and gateways that an ADD gave it, by family."""

    name: str
    netns: str
    addresses: Mapping[int, IPAddress]
    gateways: Mapping[int, IPAddress]
    interface: str = "eth0"
    host_links: tuple[str, ...] = ()


def pod_of(name: str, netns: str, result: Mapping[str, Any], interface: str = "eth0") -> Pod:
    """A pod from the result of its ADD."""
    ips = [*reversed(result_ips(result))]
    links = [item for item in result.get("interfaces") or () if isinstance(item, dict)]
    return Pod(
        name,
        netns,
        {a.version: a for address, _ in ips if (a := address_of(address))},
        {a.version: a for _, gateway in ips if gateway and (a := address_of(gateway))},
        interface,
        tuple(str(item["name"]) for item in links if not item.get("sandbox")),
    )


@contextmanager
def namespaces(count: int) -> Iterator[list[tuple[str, str]]]:
    """New named namespaces as (name, path) for the block; none is left, whatever happens in it."""
    base = f"{PREFIX}{token_hex(4)}"
    names = [f"{base}-{letter}" for letter in "abcdefgh"[:count]]
    try:
        configure([f"netns add {name}" for name in names])
        yield [(name, f"{NAMESPACE_DIR}/{name}") for name in names]
    finally:
        for name in names:
            if os.path.lexists(f"{NAMESPACE_DIR}/{name}"):
                with suppress(CommandError):
                    run(["ip", "netns", "del", name], timeout_s=_TIMEOUT_S)


def link_mtu(netns: str, interface: str) -> int:
    """The MTU of an interface in a namespace, in bytes. Raises CommandError."""
    with inside(netns):
        asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with asked:
        try:
            answer = fcntl.ioctl(asked, _SIOCGIFMTU, pack("16sI12x", interface.encode(), 0))
        except OSError as error:
            raise CommandError("failed", f"{interface} in {netns}: {error.strerror}") from error
    return int(unpack("16sI12x", answer)[1])

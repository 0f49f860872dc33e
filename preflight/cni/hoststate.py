"""What the plugins leave on the host beside a pod: a bridge, forwarding. Put back after a proof."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from preflight.cni.products import bridges
from preflight.cni.spec import NetworkConfig
from rules.errors import CommandError
from rules.netns import setting
from rules.run import run

_TIMEOUT_S = 20.0
# Those that bridge and ptp switch on (plugins/pkg/ip/ipforward_linux.go).
_FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


@contextmanager
def as_before(network: NetworkConfig) -> Iterator[None]:
    """A bridge that was not there before the block is not after it, unless a pod hangs on it.

    With it goes what the plugin switched on: a pod that came meanwhile needs both.
    """
    absent = [name for name, _ in bridges(network) if not _there(name)]
    off = [name for name in _FORWARDING if _value(name) == "0"]
    try:
        yield
    finally:
        used = [name for name in absent if _there(name) and not _delete(name)]
        if not used and all(_there(name) is False for name in absent):
            for name in off:
                if absent and _value(name) != "0":
                    with suppress(CommandError):
                        setting(name, 0)


def _there(name: str) -> bool:
    return os.path.exists(f"/proc/sys/net/ipv4/conf/{name}")


def _delete(name: str) -> bool:
    """Removes a bridge without ports; whether it is gone."""
    try:
        ports = run(["ip", "-o", "link", "show", "master", name], timeout_s=_TIMEOUT_S).stdout
        if ports.strip():
            return False
        run(["ip", "link", "delete", name, "type", "bridge"], timeout_s=_TIMEOUT_S)
    except CommandError:
        return False
    return True


def _value(name: str) -> str:
    try:
        with open(f"/proc/sys/{name}", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""

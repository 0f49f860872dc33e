"""Kernel settings that the kernel changes along with another: who puts that one back needs them."""

from __future__ import annotations

import glob

# Writing the key changes these too (net/ipv4/devinet.c inet_forward_change and
# net/ipv6/addrconf.c addrconf_forward_change of the kernel).
_ALONG = {
    "net.ipv4.ip_forward": (
        "/proc/sys/net/ipv4/conf/*/forwarding",
        "/proc/sys/net/ipv4/conf/all/accept_redirects",
    ),
    "net.ipv6.conf.all.forwarding": ("/proc/sys/net/ipv6/conf/*/forwarding",),
}


def paths_along(key: str) -> tuple[str, ...]:
    """The files of what writing ``key`` changes too, on this machine; that of the key is none."""
    return tuple(
        path
        for pattern in _ALONG.get(key, ())
        for path in sorted(glob.glob(pattern))
        # The same switch as net.ipv4.ip_forward, and the key itself for IPv6.
        if not path.endswith("/all/forwarding")
    )


def by_itself(path: str, value: str) -> str:
    """What the kernel makes of the setting at ``path`` when the key becomes ``value``."""
    if path.endswith("/accept_redirects"):
        return "1" if value == "0" else "0"
    return value

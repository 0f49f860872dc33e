"""A private copy of this host's network: links, addresses, routes, settings and packet filters.

What is beyond the host's links is one namespace that has the next hops' addresses. Everything
ends with the process: no live pod, rule or lease is touched.
"""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from preflight.cni.questions import Outside
from rules.backend.iptables import families, legacy_tables, program
from rules.errors import CommandError
from rules.netns import Say, configure, forked, inside, setting
from rules.record import record
from rules.run import find_program, run

_TIMEOUT_S = 20.0
# <sched.h>
_NEW_MOUNTS, _NEW_NET = 0x00020000, 0x40000000
WORLD = "nodeprep-world"
_SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv6/conf/default/disable_ipv6",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
)
_NO_MAC = "00:00:00:00:00:00"

T = TypeVar("T")


@record
class HostNetwork:
    """What is copied: as `ip -j` prints it, the settings by path, each packet filter's own text."""

    links: tuple[dict[str, Any], ...]
    routes: tuple[dict[str, Any], ...]
    settings: tuple[tuple[str, int], ...]
    rulesets: tuple[tuple[tuple[str, ...], str], ...]


def read_host() -> HostNetwork:
    """Reads it all. Raises CommandError."""
    return HostNetwork(
        tuple(_ip_json("-d", "addr")),
        tuple(_ip_json("-4", "route") + _ip_json("-6", "route")),
        tuple((name, value) for name in _SYSCTLS if (value := _setting(name)) is not None),
        tuple(_rulesets()),
    )


def _ip_json(*words: str) -> list[dict[str, Any]]:
    done = run(["ip", "-j", *words], timeout_s=_TIMEOUT_S)
    try:
        found = json.loads(done.stdout or "[]")
    except ValueError as error:
        raise CommandError("failed", f"ip -j {' '.join(words)}: {error}") from error
    return [item for item in found if isinstance(item, dict) and item]


def _setting(name: str) -> int | None:
    try:
        with open(f"/proc/sys/{name}", encoding="ascii") as stream:
            return int(stream.read())
    except (OSError, ValueError):
        return None


def _rulesets() -> Iterable[tuple[tuple[str, ...], str]]:
    if find_program("nft") is not None:
        text = run(["nft", "list", "ruleset"], timeout_s=_TIMEOUT_S).stdout
        yield ("nft", "-f", "-"), text
    else:
        for family in families():
            if find_program(save := program("nft", family, "save")) is not None:
                text = run([save], timeout_s=_TIMEOUT_S).stdout
                yield (program("nft", family, "restore"),), text
    for family in families():
        if legacy_tables(family):
            text = run([program("legacy", family, "save")], timeout_s=_TIMEOUT_S).stdout
            yield (program("legacy", family, "restore"),), text


def in_scratch(work: Callable[[], T], places: Sequence[Outside], state_dirs: Iterable[str]) -> T:
    """Runs ``work`` in a copy of this host's network; what it returns or raises.

    ``places`` beyond the host are there to answer, ``state_dirs`` are empty. Raises CommandError.
    """
    host = read_host()
    made_here = _missing(("/run/netns", *state_dirs))

    def child(say: Say) -> None:
        _leave(state_dirs)
        _copy(host, places)
        say(work())

    made = forked(child)
    try:
        answer: T = made.hear()
        return answer
    except EOFError:
        raise CommandError("failed", "the copy of this host's network ended too early") from None
    finally:
        made.end()
        for directory in reversed(made_here):
            with suppress(OSError):  # somebody uses it meanwhile
                os.rmdir(directory)


def _missing(directories: Iterable[str]) -> list[str]:
    """The directories on the way to these that are not there yet, from the top down."""
    found: list[str] = []
    for directory in directories:
        parts = directory.strip("/").split("/")
        paths = ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        found += [path for path in paths if path not in found and not os.path.isdir(path)]
    return found


def _leave(state_dirs: Iterable[str]) -> None:
    """New mounts and a new network for this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS | _NEW_NET) != 0:
        why = os.strerror(ctypes.get_errno())
        raise CommandError("denied", f"no private network can be made here ({why}); run as root")
    run(["mount", "--make-rprivate", "/"], timeout_s=_TIMEOUT_S)
    for directory in ("/run/netns", *state_dirs):
        os.makedirs(directory, exist_ok=True)
        run(["mount", "-t", "tmpfs", "tmpfs", directory], timeout_s=_TIMEOUT_S)
    run(["mount", "-t", "sysfs", "sysfs", "/sys"], timeout_s=_TIMEOUT_S)
    # iptables-legacy's lock belongs to the machine's own rules.
    os.environ["XTABLES_LOCKFILE"] = "/run/netns/.xtables.lock"


def _copy(host: HostNetwork, places: Sequence[Outside]) -> None:
    configure([f"netns add {WORLD}", "link set lo up"])
    # Copied links are ready at once: nobody else has their addresses here.
    for name in ("all", "default"):
        setting(f"net/ipv6/conf/{name}/accept_dad", 0)
    for name, value in host.settings:
        setting(name, value)
    names = [name for item in host.links if (name := _make_link(item))]
    with inside(f"/run/netns/{WORLD}"):
        setting("net/ipv6/conf/all/accept_dad", 0)
        setting("net/ipv6/conf/default/accept_dad", 0)
        configure(_world(host, places, names))
    for route in host.routes:
        _add_route(route, names)
    for command, text in host.rulesets:
        if text.strip():
            run(list(command), timeout_s=_TIMEOUT_S, stdin=text)


def _make_link(item: dict[str, Any]) -> str:
    """A bridge for a bridge, a veth to the world for anything else with an address; its name."""
    name, kind = str(item["ifname"]), (item.get("linkinfo") or {}).get("info_kind", "")
    addresses = [one for one in item.get("addr_info", ()) if one.get("scope") != "link"]
    if name == "lo" or not (addresses or kind == "bridge"):
        return ""
    mac, mtu = str(item.get("address") or ""), int(item.get("mtu", 1500))
    fixed = f"address {mac} " if len(mac) == 17 and mac != _NO_MAC else ""
    if kind == "bridge":
        pinned = fixed if _assigned(name) else ""
        lines = [f"link add {name} {pinned}type bridge"]
    else:
        world = f"peer name {name} netns {WORLD}"
        lines = [f"link add {name} {fixed}mtu {mtu} type veth {world}"]
    lines += [f"link set {name} mtu {mtu}"]
    lines += [f"address add {one['local']}/{one['prefixlen']} dev {name}" for one in addresses]
    lines += [f"link set {name} up"] if "UP" in item.get("flags", ()) else []
    configure(lines)
    return "" if kind == "bridge" else name


def _assigned(name: str) -> bool:
    """Whether somebody gave a link its MAC (/sys is still the host's for what was read there)."""
    try:
        with open(
            f"/proc/1/root/sys/class/net/{name}/addr_assign_type", encoding="ascii"
        ) as stream:
            return stream.read().strip() == "3"
    except OSError:
        return False


def _world(host: HostNetwork, places: Sequence[Outside], names: Sequence[str]) -> list[str]:
    """The far ends: each next hop on its link, everything else that is asked for on lo."""
    lines = ["link set lo up"]
    mtus = {str(item["ifname"]): int(item.get("mtu", 1500)) for item in host.links}
    lines += [f"link set {name} mtu {mtus[name]} up" for name in names]
    given = set()
    for route in host.routes:
        gateway, name = str(route.get("gateway", "")), str(route.get("dev", ""))
        if gateway and name in names and gateway not in given:
            given.add(gateway)
            lines.append(f"address add {gateway}/{_bits(host, name, gateway)} dev {name}")
    lines += [
        f"address add {place.address} dev lo" for place in places if str(place.address) not in given
    ]
    return lines


def _bits(host: HostNetwork, name: str, gateway: str) -> int:
    """The prefix of the link's own address of that family, so that the far end answers it."""
    family = "inet6" if ":" in gateway else "inet"
    for item in host.links:
        for one in item.get("addr_info", ()) if item["ifname"] == name else ():
            if one.get("family") == family and one.get("scope") != "link":
                return int(one["prefixlen"])
    return 128 if family == "inet6" else 32


def _add_route(route: dict[str, Any], names: Sequence[str]) -> None:
    """A route that somebody made; the kernel makes its own with the addresses."""
    name = str(route.get("dev", ""))
    if route.get("protocol") == "kernel" or name not in names:
        return
    via = f" via {route['gateway']}" if route.get("gateway") else ""
    destination = str(route.get("dst", "default"))
    metric = f" metric {route['metric']}" if route.get("metric") else ""
    flag = "-6 " if ":" in f"{destination}{via}" else ""
    run(
        ["ip", *f"{flag}route replace {destination}{via} dev {name}{metric} onlink".split()]
        if via
        else ["ip", *f"{flag}route replace {destination} dev {name}{metric}".split()],
        timeout_s=_TIMEOUT_S,
    )

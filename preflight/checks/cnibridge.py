"""The bridge that pods hang on, where one is there already."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Any

from preflight.checks.cnireader import reader, uplink_interface, wanted_network
from preflight.checks.registry import Judgement, check, failed, passed, undetermined, warned
from preflight.checks.scope import is_node, pod_network
from preflight.cni.products import KUBE_ROUTER_BRIDGE, bridges
from preflight.cni.ranges import KERNEL_MTU, range_sets
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.network import Address, Interface, IPInterface
from preflight.target import Target
from rules.cluster import IPNetwork

# Networks that make a bridge, and its name as long as no configuration says another.
_USUAL = {
    "bridge": "cni0",
    "flannel": "cni0",
    "canal": "",
    "kube-router": KUBE_ROUTER_BRIDGE,
}
_NO_MAC = "00:00:00:00:00:00"


@check(
    "cni-bridge-sane",
    title="A bridge that is there already suits the pod network",
    why="The bridge plugin refuses a bridge with another address, so that every pod hangs; without "
    "a MAC of its own the bridge takes its pods' in turn, and they lose their gateway.",
    source="https://www.cni.dev/plugins/current/main/bridge/",
    applies="where the pod network has a kernel bridge on this host",
)
def cni_bridge_sane(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each fault of each bridge (subject: its name), else one pass."""
    if not is_node(facts, target):
        return
    wanted = wanted_bridges(facts, target)
    if not wanted:
        return
    interfaces = known(known(facts.network).interfaces)
    for name, body in wanted.items():
        found = next((item for item in interfaces if item.name == name), None)
        if found is None:
            yield passed(f"there is no {name} yet; the pod network makes it", subject=name)
            continue
        faults = list(_faults(found, body, interfaces, facts, target))
        yield from faults
        if not faults:
            addresses = ", ".join(str(item.interface) for item in _global(found)) or "no address"
            yield passed(
                f"{name} is a bridge with {addresses}, MAC {found.mac}, MTU {found.mtu}",
                subject=name,
            )


def wanted_bridges(facts: Facts, target: Target) -> dict[str, dict[str, Any] | None]:
    """The bridges of the pod network by name, with the plugin that says so; None: a usual one."""
    profile, _ = pod_network(target)
    cni = known(facts.cni)
    if not isinstance(cni.files, Unknown):
        network = wanted_network(cni, reader(facts, target), profile)
        if network is not None:
            return dict(bridges(network))
    usual = _USUAL.get(profile.name, "")
    return {usual: None} if usual else {}


def _faults(
    found: Interface,
    body: dict[str, Any] | None,
    interfaces: tuple[Interface, ...],
    facts: Facts,
    target: Target,
) -> Iterator[Judgement]:
    name = shlex.quote(found.name)
    if found.kind != "bridge":
        what = f"a {found.kind} interface" if found.kind else "a network card"
        remedy = f"ip link delete {name}"
        if found.hardware:
            remedy = f"ip link set {name} down && ip link set {name} name {name[:12]}-x"
        yield failed(
            f"{found.name} is {what} and no bridge, and the plugin refuses it",
            subject=found.name,
            observed=found.kind or "card",
            expected="bridge",
            remedy=remedy,
        )
        return
    yield from _addresses(found, body, target)
    yield from _mac(found, body)
    ports = [item.name for item in interfaces if item.port_of == found.name]
    yield from _up(found, ports)
    yield from _mtu(found, body, facts, target)


def _global(found: Interface) -> list[Address]:
    return [item for item in found.addresses if not item.ip.is_link_local]


def _gateways(body: dict[str, Any]) -> list[IPInterface]:
    """The addresses that the plugin will give the bridge: the gateway of each range."""
    ipam = body.get("ipam")
    if not (body.get("isGateway") or body.get("isDefaultGateway")) or not isinstance(ipam, dict):
        return []
    return [
        ip_interface(f"{item.gateway}/{item.network.prefixlen}")
        for members in range_sets(ipam)
        for item in members
    ]


def _addresses(
    found: Interface, body: dict[str, Any] | None, target: Target
) -> Iterator[Judgement]:
    gateways = _gateways(body) if body is not None else []
    if body is not None and body.get("forceAddress") is True:
        return
    stale: list[IPInterface] = []
    for address in _global(found):
        own = address.interface
        if gateways:
            same = [item for item in gateways if item.version == own.version]
            clash = own.version == 4 or any(_overlap(own, item) for item in same)
            if same and own not in same and clash:
                stale.append(own)
        elif not _within(own, target.cluster.pod_subnets):
            stale.append(own)
    for own in stale:
        expected = ", ".join(str(item) for item in gateways if item.version == own.version)
        why = f"the plugin wants {expected}" if expected else "it is outside the pod range"
        yield failed(
            f"{found.name} has {own} of an earlier network, and {why}: every pod fails to start",
            subject=found.name,
            observed=str(own),
            expected=expected or ", ".join(map(str, target.cluster.pod_subnets)),
            remedy=f"ip link delete {shlex.quote(found.name)}",
        )
    if not gateways and not stale and not target.cluster.pod_subnets and _global(found):
        yield undetermined(
            f"{found.name} has {_global(found)[0].interface} already, and whether the pod network "
            "will take that address is not known without its range (podSubnet)",
            subject=found.name,
            remedy=f"ip link delete {shlex.quote(found.name)}",
        )


def _within(own: IPInterface, subnets: tuple[IPNetwork, ...]) -> bool:
    same = [item for item in subnets if item.version == own.version]
    return not subnets or any(own.ip in item for item in same)


def _overlap(one: IPInterface, other: IPInterface) -> bool:
    return one.ip in other.network or other.ip in one.network


def _mac(found: Interface, body: dict[str, Any] | None) -> Iterator[Judgement]:
    gateway = body is None or body.get("isGateway") or body.get("isDefaultGateway")
    if found.mac_pinned or not gateway:
        return
    if found.mac_pinned is None:
        yield undetermined(
            f"whether {found.name} keeps its MAC is not known: /sys does not show this interface",
            subject=found.name,
        )
        return
    name = shlex.quote(found.name)
    mac = found.mac if found.mac and found.mac != _NO_MAC else _made_up(found, body)
    yield failed(
        f"{found.name} has no MAC of its own (now {found.mac or 'none'}): it changes as pods come "
        "and go, and pods lose their gateway",
        subject=found.name,
        observed="not pinned",
        expected="pinned",
        remedy=f"ip link set dev {name} address {shlex.quote(mac)}",
    )


def _made_up(found: Interface, body: dict[str, Any] | None) -> str:
    """The MAC that kubenet gave its bridge: 0a:58 and the four bytes of the gateway."""
    addresses = [item.interface for item in _global(found)] + (_gateways(body) if body else [])
    four = next((item.ip.packed for item in addresses if item.version == 4), b"\x0a\x00\x00\x01")
    return ":".join(f"{byte:02x}" for byte in b"\x0a\x58" + four)


def _up(found: Interface, ports: list[str]) -> Iterator[Judgement]:
    if found.up:
        return
    make = failed if ports else warned
    use = f"{len(ports)} pods hang on it" if ports else "no pod hangs on it yet"
    yield make(
        f"{found.name} is down, and {use}",
        subject=found.name,
        observed="down",
        expected="up",
        remedy=f"ip link set {shlex.quote(found.name)} up",
    )


def _mtu(
    found: Interface, body: dict[str, Any] | None, facts: Facts, target: Target
) -> Iterator[Judgement]:
    uplink = uplink_interface(facts)
    if uplink is None:
        return
    profile, mode = pod_network(target)
    said = body.get("mtu") if body is not None else None
    if profile.name == "bridge" and body is not None and found.mtu == (said or KERNEL_MTU):
        # It is as the file asks: cni-conf-valid judges the file.
        return
    family = 6 if target.cluster.families == (6,) else 4
    limit = mode.pod_mtu(uplink.mtu, family)
    if limit is None or found.mtu <= limit:
        return
    yield failed(
        f"{found.name} has an MTU of {found.mtu}, and {uplink.name} carries {limit} bytes of pod "
        "packets: larger ones are lost",
        subject=found.name,
        observed=str(found.mtu),
        expected=f"<= {limit}",
        remedy=f"ip link set {shlex.quote(found.name)} mtu {limit}",
    )

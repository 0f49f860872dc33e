"""Interfaces: connected, addressed, none in the subnet of another."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from ipaddress import ip_network

from preflight.checks.ranges import overlapping
from preflight.checks.registry import (
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    warned,
)
from preflight.facts.model import Facts, known
from preflight.facts.model.network import Interface, IPNetwork
from preflight.facts.model.uplinks import OVER_ONE, is_port, uplinks, usable_addresses
from preflight.target import Target

# What a bridge or switch of virtual machines may do without, and what a pod network may take.
_NEEDS_NO_ADDRESS = frozenset({"bridge", "openvswitch"})
_TAKES_CARDS = frozenset({"macvlan", "ipvlan", "vlan", "host-device"})
_V4_LINK_LOCAL = ip_network("169.254.0.0/16")


@check(
    "interface-connected",
    title="A network card is up and connected",
    why="A node talks to the cluster through its network cards; virtual interfaces lead nowhere.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/",
    applies="In a container, what it has in place of a card counts.",
)
def interface_connected(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement over all cards, and bonds, bridges and VLANs on them."""
    every = known(known(facts.network).interfaces)
    cards = uplinks(every)
    ready = [item for item in cards if item.up and item.carrier]
    if ready:
        names = ", ".join(item.name for item in ready)
        yield passed(f"up and connected: {names}", observed=names)
    elif not cards:
        names = ", ".join(item.name for item in every) or "none at all"
        yield failed(
            f"the machine has no network card (interfaces: {names})",
            observed=names,
            remedy="attach a network card to the machine, or load the driver of the one it has",
        )
    else:
        yield failed(
            "no network card is connected: " + ", ".join(f"{i.name} {_state(i)}" for i in cards),
            observed=", ".join(f"{item.name} {_state(item)}" for item in cards),
            expected="one up, with a carrier",
            remedy=_connect(cards),
        )


def _state(item: Interface) -> str:
    if not item.up:
        return "is down"
    return "is connected" if item.carrier else "has no carrier"


def _connect(cards: tuple[Interface, ...]) -> str:
    down = [item for item in cards if not item.up]
    if not down:
        return "plug in the cable of " + ", ".join(item.name for item in cards)
    return " && ".join(f"ip link set {shlex.quote(item.name)} up" for item in down)


@check(
    "interface-address",
    title="Every connected card has an address",
    why="A card without an address that other machines can reach carries no traffic of the node. "
    "It is the usual sign of a DHCP server that did not answer.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/",
    applies="Cards, bonds, teams and VLANs that are up. Ports of a bond or bridge, cards that only "
    "carry VLANs or SR-IOV functions, and interfaces of pods need none.",
)
def interface_address(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each interface, its name the subject."""
    every = known(known(facts.network).interfaces)
    carriers = {item.parent for item in every if item.kind in OVER_ONE}
    for item in uplinks(every):
        if not item.up or not item.carrier or is_port(item, every):
            continue
        usable = usable_addresses(item)
        if usable:
            shown = ", ".join(str(address.interface) for address in usable)
            yield passed(shown, subject=item.name, observed=shown)
        elif item.name not in carriers and not item.virtual_functions:
            yield _without_address(item, target)


def _without_address(item: Interface, target: Target) -> Judgement:
    seen = ", ".join(str(address.interface) for address in item.addresses) or "none"
    remedy = (
        f"give {shlex.quote(item.name)} an address in the system's network configuration, or take "
        f"it down: ip link set {shlex.quote(item.name)} down"
    )
    if item.addresses:
        message = f"{item.name} has only {seen}, which no other machine can use"
    else:
        message = f"{item.name} is connected and has no address"
    spare = (
        item.kind in _NEEDS_NO_ADDRESS
        or target.cluster.cni.name in _TAKES_CARDS
        # Management processors present a card over USB with a fixed 169.254 address.
        or (
            item.name.startswith(("usb", "enx", "idrac"))
            and any(address.ip in _V4_LINK_LOCAL for address in item.addresses)
        )
    )
    judge = warned if spare else failed
    return judge(
        message,
        subject=item.name,
        observed=seen,
        expected="an address other machines can reach",
        remedy=remedy,
    )


@check(
    "subnets-distinct",
    title="No two interfaces are in one subnet",
    why="With two interfaces in one subnet, answers leave by another interface than the question "
    "came in by, and either address may answer for the other.",
    source="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html",
    severity=WARNING,
    applies="Interfaces with a subnet; a macvlan beside its own card, and interfaces of different "
    "VRFs, may share one.",
)
def subnets_distinct(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each pair that overlaps, else one for all."""
    every = known(known(facts.network).interfaces)
    if target.cluster.cni.name.startswith("aws"):
        yield skipped("the AWS pod network puts several interfaces into one subnet on purpose")
        return
    placed = list(_subnets(every))
    clashes: set[tuple[str, ...]] = set()
    for (outer, first), (inner, second) in overlapping(placed):
        pair = tuple(sorted((first.name, second.name)))
        if _related(first, second) or pair in clashes:
            continue
        clashes.add(pair)
        yield failed(
            f"{first.name} is in {outer} and {second.name} in {inner}",
            subject=",".join(pair),
            observed=f"{outer}, {inner}",
            remedy=f"give {first.name} or {second.name} an address of another subnet, or join "
            "them in a bond",
        )
    if not clashes:
        networks = ", ".join(str(network) for network, _ in placed) or "no subnet"
        yield passed(f"each interface has its own: {networks}", observed=networks)


def _subnets(every: tuple[Interface, ...]) -> Iterator[tuple[IPNetwork, Interface]]:
    for item in every:
        if item.loopback or item.kind == "dummy" or not item.up:
            continue
        networks = {
            address.interface.network
            for address in usable_addresses(item)
            if address.interface.network.prefixlen < address.ip.max_prefixlen
        }
        for network in networks:
            yield network, item


def _related(first: Interface, second: Interface) -> bool:
    if first.name == second.name or first.port_of != second.port_of:
        return True
    return second.name == first.parent or first.name == second.parent

"""Addresses that another machine has too, and leases that may end."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.cards import twins
from preflight.checks.registry import (
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
)
from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.network import Address, DuplicateProbe, Interface, Network
from preflight.facts.model.uplinks import is_port, uplinks
from preflight.target import Target

# Azure's virtual switch answers every ARP request with this MAC.
# https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq
PROXY_MACS = frozenset({"12:34:56:78:9a:bc"})
# Firmware names of clouds whose DHCP gives a machine the same address for its whole life.
CLOUDS = (
    "Amazon EC2",
    "Google",
    "DigitalOcean",
    "Hetzner",
    "OpenStack",
    "OracleCloud",
    "Alibaba Cloud",
    "Tencent Cloud",
    "Scaleway",
    "Vultr",
    "Akamai",
    "Linode",
    "Exoscale",
    "UpCloud",
    "7783-7084-3265-9085-8269-3286-77",  # Azure's chassis asset tag
)


@check(
    "address-duplicate",
    title="Nobody else has this node's addresses",
    why="With two machines at one address, connections reach now one and now the other, and both "
    "nodes flap.",
    source="https://www.rfc-editor.org/rfc/rfc5227",
    applies="IPv4: three ARP probes on the node's own links; needs root, and --offline sends none. "
    "IPv6: what the kernel's own detection found.",
)
def address_duplicate(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each address."""
    yield from twins(target, "address-duplicate")
    network = known(facts.network)
    probes = network.duplicate_probes
    if not isinstance(probes, Unknown):
        for probe in probes:
            yield _judge_probe(probe, network)
    elif probes.reason == "not-asked":
        yield skipped(probes.message, subject="IPv4")
    else:
        yield undetermined(probes.message, subject="IPv4")
    if not isinstance(network.interfaces, Unknown):
        for item in network.interfaces:
            yield from _judge_v6(item, wanted=6 in scope.families(target))


def _judge_probe(probe: DuplicateProbe, network: Network) -> Judgement:
    subject = str(probe.address)
    if not probe.owner:
        return passed(
            f"nobody on {probe.interface} answers for {subject}",
            subject=subject,
            observed=f"{probe.packets_sent} probes, no answer",
        )
    if probe.owner in PROXY_MACS or probe.owner in _gateway_macs(probe, network):
        return undetermined(
            f"the router ({probe.owner}) on {probe.interface} answers for every address, so "
            f"another owner of {subject} would not be seen",
            subject=subject,
        )
    own = [item for item in known_or(network.interfaces, ()) if item.name == probe.interface]
    clone = any(item.mac == probe.owner for item in own)
    whose = "with this machine's own MAC, a clone of it" if clone else f"at {probe.owner}"
    return failed(
        f"another machine on {probe.interface} has {subject} too ({whose})",
        subject=subject,
        observed=probe.owner,
        expected="no answer",
        remedy=f"find the machine with the MAC {shlex.quote(probe.owner)} and give it, or this "
        "one, another address",
    )


def _gateway_macs(probe: DuplicateProbe, network: Network) -> set[str]:
    gateways = {route.gateway for route in known_or(network.routes, ()) if route.gateway}
    return {
        entry.mac
        for entry in known_or(network.neighbours, ())
        if entry.address in gateways and entry.interface == probe.interface
    }


def _judge_v6(item: Interface, *, wanted: bool) -> Iterator[Judgement]:
    """A duplicate counts always, the rest only where the cluster uses IPv6."""
    for address in item.addresses:
        subject, name = str(address.ip), shlex.quote(item.name)
        if address.ip.version != 6 or item.loopback:
            continue
        if "dadfailed" in address.flags:
            yield failed(
                f"another machine on {item.name} has {subject} too, so the kernel does not use it",
                subject=subject,
                observed="duplicate address detection failed",
                remedy=f"find the other machine: ip -6 neigh show {subject}; then give one of the "
                f"two another address: ip -6 addr del {address.interface} dev {name}",
            )
        elif not wanted or not item.carrier or address.scope != "global":
            continue
        elif "nodad" in address.flags:
            yield skipped(
                f"{subject} on {item.name} was set with duplicate address detection off",
                subject=subject,
            )
        elif "tentative" in address.flags:
            yield undetermined(
                f"whether another machine has {subject} is still being asked on {item.name}",
                subject=subject,
                remedy="run nodeprep again in two seconds",
            )
        else:
            yield passed(f"nobody on {item.name} answered for {subject}", subject=subject)


@check(
    "address-lease",
    title="Addresses stay",
    why="A node's address is in certificates, in etcd's member list and on every other node. If a "
    "lease brings another one, the node has to be joined anew.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"
    "#check-network-adapters",
    severity=WARNING,
    applies="Addresses that DHCP gave. That of the large clouds keeps them for a machine's life.",
)
def address_lease(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each leased address, or one that all are static."""
    network = known(facts.network)
    every = known(network.interfaces)
    clients = {
        (lease.interface, lease.address): lease.client for lease in known_or(network.leases, ())
    }
    cloud = _cloud(facts)
    found = []
    for item in uplinks(every):
        for address in item.addresses if not is_port(item, every) else ():
            client = clients.get((item.name, address.ip), "")
            if _leased(address, client):
                found.append(_judge_lease(item, address, client, cloud))
    yield from found
    if isinstance(network.leases, Unknown):
        yield undetermined(f"which addresses are leased: {network.leases.message}")
    elif not found:
        yield passed("no address comes from DHCP")


def _leased(address: Address, client: str) -> bool:
    if client:
        return True
    # SLAAC addresses are dynamic too, but follow from the router's prefix and stay.
    whole = address.interface.network.prefixlen == address.ip.max_prefixlen
    return (
        "dynamic" in address.flags
        and not address.ip.is_link_local
        and (address.ip.version == 4 or (whole and "mngtmpaddr" not in address.flags))
    )


def _judge_lease(item: Interface, address: Address, client: str, cloud: str) -> Judgement:
    by = f"leased ({client})" if client else "leased by DHCP"
    left = f" for {address.valid_s} s more" if address.valid_s is not None else ""
    if cloud:
        return passed(
            f"{address.ip} on {item.name} is {by}, and {cloud} keeps it for the machine's life",
            subject=item.name,
            observed=str(address.ip),
        )
    return failed(
        f"{address.ip} on {item.name} is {by}{left}, and nothing here says that it is reserved",
        subject=item.name,
        observed=str(address.ip),
        expected="static or reserved",
        remedy=f"reserve {address.ip} for {item.mac or item.name} in the DHCP server, or configure "
        "it as static",
    )


def _cloud(facts: Facts) -> str:
    if isinstance(facts.identity, Unknown):
        return ""
    for value in facts.identity.dmi.values():
        for name in CLOUDS:
            if value.strip().startswith(name):
                return "Azure" if name[0].isdigit() else name
    return ""

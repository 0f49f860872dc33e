"""Which addresses are this node's own, and which one it is known by."""

from __future__ import annotations

from preflight.checks.picks import chosen_by_route
from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.network import IPAddress
from preflight.facts.model.uplinks import uplinks, usable_addresses
from preflight.target import Target


def own_addresses(facts: Facts) -> frozenset[IPAddress]:
    """Every address of every interface, loopback included. Raises Undetermined."""
    interfaces = known(known(facts.network).interfaces)
    return frozenset(address.ip for interface in interfaces for address in interface.addresses)


def is_own(address: IPAddress, own: frozenset[IPAddress]) -> bool:
    """Whether it leads to this node; all of 127.0.0.0/8 does."""
    return address.is_loopback or address in own


def node_address(facts: Facts, target: Target) -> IPAddress | None:
    """The address that the node is known by: the configured one, else that of its default route,
    else the first that it has towards others; in a family of the cluster where there is one.

    None where nothing tells. For messages and remedies; `node-address` judges the choice itself.
    """
    settings = target.settings
    for given in (*settings.node_ips, settings.advertise_address):
        if given is not None and not given.is_unspecified:
            return given
    if isinstance(facts.network, Unknown) or isinstance(facts.network.interfaces, Unknown):
        return None
    interfaces = facts.network.interfaces
    wanted = target.cluster.families
    families = (*wanted, *(family for family in (4, 6) if family not in wanted))
    chosen = chosen_by_route(interfaces, known_or(facts.network.routes, ()), families).address
    if chosen is not None:
        return chosen
    usable = [address.ip for item in uplinks(interfaces) for address in usable_addresses(item)]
    return min(usable, key=lambda ip: families.index(ip.version), default=None)

"""Which addresses are this node's own, and which one it is known by."""

from __future__ import annotations

from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.network import Interface, IPAddress
from preflight.target import Target


def own_addresses(facts: Facts) -> frozenset[IPAddress]:
    """Every address of every interface, loopback included. Raises Undetermined."""
    interfaces = known(known(facts.network).interfaces)
    return frozenset(address.ip for interface in interfaces for address in interface.addresses)


def is_own(address: IPAddress, own: frozenset[IPAddress]) -> bool:
    """Whether it leads to this node; all of 127.0.0.0/8 does."""
    return address.is_loopback or address in own


def node_address(facts: Facts, target: Target) -> IPAddress | None:
    """The address that the node is known by: the configured one, else that of its default route.

    None where nothing tells. For messages and remedies; `node-address` judges the choice itself.
    """
    settings = target.settings
    if settings.node_ips or settings.advertise_address:
        return settings.node_ips[0] if settings.node_ips else settings.advertise_address
    network = facts.network
    if isinstance(network, Unknown) or isinstance(network.interfaces, Unknown):
        return None
    routes = () if isinstance(network.routes, Unknown) else network.routes
    defaults = sorted(
        (route.metric, route.interface)
        for route in routes
        if route.destination.prefixlen == 0 and route.table == "main" and route.type == "unicast"
    )
    rank = {name: place for place, (_, name) in reversed(list(enumerate(defaults)))}
    candidates = [item for item in network.interfaces if not item.loopback]
    candidates.sort(key=lambda item: rank.get(item.name, len(defaults)))
    found = (address for item in candidates for address in _global(item))
    return min(
        found, key=lambda address: address.version not in target.cluster.families, default=None
    )


def _global(interface: Interface) -> list[IPAddress]:
    return [address.ip for address in interface.addresses if address.scope == "global"]

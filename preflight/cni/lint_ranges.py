"""Address management: ranges that the plugin refuses, or that do not fit the cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from preflight.cni import schema
from preflight.cni.lint_values import values
from preflight.cni.problem import WARNING, Context, Problem
from preflight.cni.ranges import AddressRange, overlap, range_sets
from preflight.cni.schema import RANGE_KEYS, keys_of
from preflight.cni.spec import NetworkConfig
from rules.cluster import IPNetwork

# host-local refuses a subnet with fewer host bits: "Network too small to allocate from".
MIN_HOST_BITS = 2


def host_local(
    ipam: dict[str, Any], place: str, plugin: dict[str, Any], context: Context
) -> Iterator[Problem]:
    """The ranges of a host-local section."""
    if keys_of(str(plugin["type"])) is None or place.endswith("delegate.ipam"):
        # flannel, Calico and others put the range in at run time.
        if not range_sets(ipam, place):
            return
    elif not ipam.get("subnet") and not ipam.get("ranges"):
        if not (plugin.get("capabilities") or {}).get("ipRanges"):
            yield Problem(
                "no-range",
                place,
                "host-local has no range to take addresses from, so that every pod fails to start",
                'add "ranges": [[{"subnet": "10.244.0.0/24"}]]',
            )
        return
    yield from _shapes(ipam, place)
    sets = range_sets(ipam, place)
    for members in sets:
        for item in members:
            yield from _range(item, context)
        if len({item.network.version for item in members}) > 1:
            yield Problem(
                "mixed-families",
                members[0].place,
                "IPv4 and IPv6 are mixed within one set, and a pod gets one address of each set",
                "give each family a set of its own",
            )
    yield from _overlaps(sets)


def _shapes(ipam: dict[str, Any], place: str) -> Iterator[Problem]:
    """Parts of ``ranges`` that are no list of lists of objects, and their values."""
    ranges = ipam.get("ranges")
    for outer, members in enumerate(ranges if isinstance(ranges, list) else []):
        spot = f"{place}.ranges[{outer}]"
        if not isinstance(members, list):
            yield Problem(
                "kind",
                spot,
                "is not a list: ranges is a list of sets, and a set is a list of ranges",
                'write "ranges": [[{"subnet": "10.244.0.0/24"}]]',
            )
            continue
        if not members:
            yield Problem("no-range", spot, "is an empty set", "take it out, or fill it in")
        for inner, member in enumerate(members):
            where = f"{spot}[{inner}]"
            if not isinstance(member, dict):
                yield Problem("kind", where, "is not an object", "write it as an object")
                continue
            if "subnet" not in member:
                yield Problem(
                    "no-range", where, "the range has no subnet", 'add "subnet": "10.244.0.0/24"'
                )
            yield from values(member, RANGE_KEYS, where)


def _range(item: AddressRange, context: Context) -> Iterator[Problem]:
    network, place = item.network, f"{item.place}.subnet"
    if item.host_bits:
        yield Problem(
            "host-bits",
            place,
            f"the address has host bits set: for /{network.prefixlen} it is "
            f"{network.network_address}, and host-local refuses any other",
            f'write "subnet": "{network}"',
        )
    if network.max_prefixlen - network.prefixlen < MIN_HOST_BITS:
        yield Problem(
            "too-small",
            place,
            f"{network} is too small for host-local, which wants "
            f"/{network.max_prefixlen - MIN_HOST_BITS} or larger",
            "write a larger subnet",
        )
        return
    yield from _bounds(item)
    if 0 < item.size < context.max_pods:
        yield Problem(
            "few-addresses",
            place,
            f"{network} has addresses for {item.size} pods, and the kubelet may start "
            f"{context.max_pods}",
            "write a larger subnet, or set maxPods of the kubelet lower",
            WARNING,
        )
    yield from _place_in_cluster(item, context)


def _bounds(item: AddressRange) -> Iterator[Problem]:
    for name, address in (("rangeStart", item.start), ("rangeEnd", item.end)):
        if address not in item.network:
            yield Problem(
                "range-bounds",
                f"{item.place}.{name}",
                f"{address} is not in {item.network}",
                f"write an address of {item.network}",
            )
    if int(item.start) > int(item.end):
        yield Problem(
            "range-bounds",
            f"{item.place}.rangeStart",
            f"{item.start} comes after rangeEnd {item.end}",
            "exchange the two",
        )
    elif item.size == 0:
        yield Problem(
            "range-bounds",
            item.place,
            "its only address is the gateway's, so that no pod can have one",
            "write a larger range",
        )
    if item.gateway_said and item.gateway not in item.network:
        yield Problem(
            "gateway-outside",
            f"{item.place}.gateway",
            f"{item.gateway} is not in {item.network}, and pods cannot reach it",
            f"write an address of {item.network}",
        )


def _place_in_cluster(item: AddressRange, context: Context) -> Iterator[Problem]:
    network, place = item.network, f"{item.place}.subnet"
    for service in context.service_subnets:
        if network.version == service.version and network.overlaps(service):
            yield Problem(
                "in-services",
                place,
                f"{network} overlaps the service range {service}",
                "write a subnet of the cluster's pod range",
            )
    own = any(_within(network, whole) for whole in context.node_subnets)
    if context.pod_subnets and not own:
        yield from _outside(network, place, context)


def _outside(network: IPNetwork, place: str, context: Context) -> Iterator[Problem]:
    """A range that is not the one which the cluster file gives this node."""
    cluster = [item for item in context.pod_subnets if item.version == network.version]
    own = [item for item in context.node_subnets if item.version == network.version]
    if not cluster:
        yield Problem(
            "outside-pods",
            place,
            f"{network}, and the cluster has no IPv{network.version} pod range",
            f"take it out, or give the cluster an IPv{network.version} pod range",
            WARNING,
        )
    elif not any(_within(network, whole) for whole in cluster):
        yield Problem(
            "outside-pods",
            place,
            f"{network} is not within the cluster's pod range {_list(cluster)}",
            f"write a subnet of {_list(cluster)}",
        )
    elif own:
        yield Problem(
            "outside-node",
            place,
            f"{network} is not within {_list(own)}, which the cluster file gives this node",
            f'write "subnet": "{own[0]}"',
        )
    elif network in cluster and context.node_count != 1:
        yield Problem(
            "whole-cluster",
            place,
            f"{network} is the whole pod range of the cluster: a second node would hand out "
            "the same addresses",
            "give each node a subnet of its own",
            WARNING,
        )


def _overlaps(sets: list[list[AddressRange]]) -> Iterator[Problem]:
    flat = [(index, item) for index, members in enumerate(sets) for item in members]
    for position, (index, one) in enumerate(flat):
        for other_index, other in flat[position + 1 :]:
            if overlap(one, other):
                where = "its own set" if index == other_index else "another set"
                yield Problem(
                    "overlap",
                    f"{other.place}.subnet",
                    f"{other.network} overlaps {one.network} of {where}, and host-local "
                    "refuses both",
                    "write ranges that do not overlap",
                )


def static(ipam: dict[str, Any], place: str, plugin: dict[str, Any]) -> Iterator[Problem]:
    """The addresses of a static section: the same ones for every pod of the node."""
    if ipam.get("addresses"):
        yield Problem(
            "static-addresses",
            f"{place}.addresses",
            "every pod gets the same address",
            "use host-local or dhcp for the pod network",
            WARNING,
        )
    elif not (plugin.get("capabilities") or {}).get("ips"):
        yield Problem(
            "no-range",
            place,
            "static has no address, and no pod network hands one in",
            "use host-local or dhcp for the pod network",
        )


def families(network: NetworkConfig, context: Context) -> Iterator[Problem]:
    """Families that the cluster's pods have and the ranges of this file do not give."""
    plugin = network.plugins[0]
    ipam = plugin.get("ipam")
    if not isinstance(ipam, dict) or ipam.get("type") != "host-local":
        return
    if keys_of(str(plugin["type"])) is None or str(plugin["type"]) in schema.META_PLUGINS:
        return
    given = {item.network.version for members in range_sets(ipam) for item in members}
    place = "plugins[0].ipam" if network.is_list else "ipam"
    for version in sorted({item.version for item in context.pod_subnets} - given if given else ()):
        yield Problem(
            "family-missing",
            f"{place}.ranges",
            f"no IPv{version} range, and the cluster's pods have IPv{version}",
            f"add a set with an IPv{version} subnet of the pod range",
        )


def _within(network: IPNetwork, whole: IPNetwork) -> bool:
    return (
        network.version == whole.version
        and network.prefixlen >= whole.prefixlen
        and network.network_address in whole
    )


def _list(networks: list[IPNetwork]) -> str:
    return ", ".join(map(str, networks))

"""Facts and configuration -> the node's card. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from preflight.checks.addresses import node_address
from preflight.checks.cgroupdriver import runtime_driver
from preflight.checks.cnireader import chosen, reader
from preflight.checks.firewallflows import verdicts
from preflight.checks.macs import own_mac
from preflight.checks.runtimechoice import chosen_config, chosen_server, runtime_name
from preflight.cni.ranges import range_sets
from preflight.facts.model import Facts, Undetermined, known, known_or
from preflight.facts.model.identity import Identity
from preflight.facts.model.known import Known, Unknown
from preflight.facts.model.network import Interface, IPAddress, Route
from preflight.facts.model.uplinks import uplinks, usable_addresses
from preflight.fleet.card import Card, CardInterface
from preflight.fleet.seal import seal
from preflight.target import Target

T = TypeVar("T")
U = TypeVar("U")
# What a card is made of, of the subjects of `preflight.facts.collect`.
SUBJECTS = ("network", "identity", "runtime", "cni", "firewall", "system")
# A router's full table is no part of a small card.
MOST_ROUTES = 64


def make_card(facts: Facts, target: Target, *, role: str) -> Card:
    """The card of this node. ``role`` is empty where nobody said what it is to be.

    What is not known stays Unknown, with its reason: comparing says so and does not guess.
    """
    cluster, name = target.cluster, target.cluster.name
    identity, network, system, runtime = facts.identity, facts.network, facts.system, facts.runtime

    def sealed(kind: str) -> Callable[[str | None], str | None]:
        return lambda value: seal(name, kind, value.strip().lower()) if value else None

    product_uuid = _of(identity, _product_uuid)
    hostname = _of(identity, lambda it: it.hostname.strip())
    node = (target.settings.node_name or known_or(hostname, "")).lower()
    own = _addresses(facts, target)
    return Card(
        nodeprep=facts.nodeprep,
        collected=facts.collected,
        cluster=name,
        node=node,
        role=role or next((it.role.value for it in cluster.nodes if it.name == node), ""),
        hostname=hostname,
        machine_id=_of(_of(identity, lambda it: it.machine_id), sealed("machine-id")),
        product_uuid=_of(product_uuid, sealed("product-uuid")),
        boot_id=_of(_of(system, lambda it: it.boot_id), sealed("boot-id")),
        cloud_instance=_of(_of(identity, lambda it: it.cloud_instance_id), sealed("instance")),
        ssh_host_keys=_of(
            _of(identity, lambda it: it.ssh_host_keys),
            lambda keys: tuple(seal(name, "ssh-host-key", key.fingerprint) for key in keys),
        ),
        boot_time=_of(system, lambda it: it.boot_time),
        utc_offset_minutes=_of(system, lambda it: it.utc_offset_minutes),
        clock=_of(network, lambda it: it.time_sync),
        interfaces=_of(_of(network, lambda it: it.interfaces), _interfaces),
        addresses=tuple(map(str, own)),
        mtu=_of(_of(network, lambda it: it.interfaces), lambda every: _mtu(every, own)),
        routes=_of(_of(network, lambda it: it.routes), _routes),
        pod_subnets=tuple(map(str, cluster.pod_subnets)),
        service_subnets=tuple(map(str, cluster.service_subnets)),
        node_pod_subnets=_pod_subnets(facts, target, node),
        control_plane_endpoint=cluster.control_plane_endpoint,
        dns_domain=cluster.dns_domain,
        proxy_mode=cluster.proxy_mode,
        cni=cluster.cni.name,
        cni_mode=cluster.cni.mode,
        external_etcd=cluster.external_etcd,
        kubernetes=str(target.version),
        kubelet=_of(_of(runtime, lambda it: it.kubelet), lambda it: it.version if it else None),
        kubeadm=_of(runtime, lambda it: it.kubeadm_version),
        runtime=_attempt(lambda: _runtime(facts, target)),
        kubelet_cgroup_driver=_of(
            _of(runtime, lambda it: it.kubelet),
            lambda it: (
                target.settings.kubelet.cgroup_driver or (it.cgroup_driver if it else "") or None
            ),
        ),
        runtime_cgroup_driver=_attempt(lambda: _runtime_driver(facts, target)),
        os=known_or(_of(system, lambda it: it.os_name), ""),
        kernel=known_or(_of(system, lambda it: it.kernel_release), ""),
        architecture=known_or(_of(system, lambda it: it.architecture), ""),
        firewall=_of(
            _of(facts.firewall, lambda it: it.managers),
            lambda found: tuple(sorted(who for who, state in found.items() if "active" in state)),
        ),
        admits=_attempt(lambda: verdicts(facts, target)) if role else _NO_ROLE,
    )


_NO_ROLE = Unknown("not-asked", "what must be admitted depends on the role; name it with --role")


def _of(value: Known[T], read: Callable[[T], Known[U]]) -> Known[U]:
    """``read`` of a known value; an unknown one stays so."""
    return value if isinstance(value, Unknown) else read(value)


def _attempt(read: Callable[[], T]) -> Known[T]:
    try:
        return read()
    except Undetermined as error:
        return error.unknown


def _product_uuid(identity: Identity) -> Known[str | None]:
    """None where the machine has no DMI at all, and so no such UUID."""
    uuid = identity.product_uuid
    missing = isinstance(uuid, Unknown) and uuid.reason == "absent" and not identity.dmi
    return None if missing else uuid


def _addresses(facts: Facts, target: Target) -> list[IPAddress]:
    """The node's own address, and beside it the first usable one of the other family in use."""
    first = node_address(facts, target)
    if first is None or isinstance(facts.network, Unknown):
        return [] if first is None else [first]
    found = {first.version: first}
    for item in uplinks(known_or(facts.network.interfaces, ())):
        for address in usable_addresses(item):
            if address.ip.version in target.cluster.families:
                found.setdefault(address.ip.version, address.ip)
    return list(found.values())


def _interfaces(every: tuple[Interface, ...]) -> tuple[CardInterface, ...]:
    return tuple(
        CardInterface(
            item.name,
            own_mac(item, every),
            item.mtu,
            tuple(str(address.interface) for address in usable_addresses(item)),
        )
        for item in uplinks(every)
    )


def _mtu(every: tuple[Interface, ...], own: list[IPAddress]) -> Known[int]:
    for item in every:
        if own and any(address.ip == own[0] for address in item.addresses):
            return item.mtu
    return Unknown("absent", "no interface has the address by which the node is known")


def _routes(routes: tuple[Route, ...]) -> tuple[str, ...]:
    found = [
        f"{route.destination}{f' via {route.gateway}' if route.gateway else ''}"
        f" dev {route.interface}"
        for route in routes
        if route.table == "main"
        and route.type == "unicast"
        and not route.destination.is_link_local
        and not route.destination.is_multicast
    ]
    return tuple(found[:MOST_ROUTES])


def _pod_subnets(facts: Facts, target: Target, node: str) -> Known[tuple[str, ...]]:
    """The node's own pod ranges: those of the pod network's file, else of the cluster file."""
    try:
        network = chosen(known(facts.cni), reader(facts, target)).network
    except Undetermined as error:
        return error.unknown
    found: list[str] = []
    for ipam in network.ipams() if network else ():
        if ipam.get("type") == "host-local":
            found += [str(one.network) for ranges in range_sets(ipam) for one in ranges]
    if not found:
        nodes = target.cluster.nodes
        found = [str(net) for it in nodes if it.name == node for net in it.pod_subnets]
    return tuple(dict.fromkeys(found))


def _runtime(facts: Facts, target: Target) -> str | None:
    runtime = known(facts.runtime)
    server, config = chosen_server(runtime, target), chosen_config(runtime, target)
    if server is None and config is None:
        return None
    name = runtime_name(server, config)
    if server is None or not server.version:
        raise Undetermined(Unknown("failed", f"{name} does not tell its version: it does not run"))
    return f"{name} {server.version}"


def _runtime_driver(facts: Facts, target: Target) -> str | None:
    runtime = known(facts.runtime)
    server, config = chosen_server(runtime, target), chosen_config(runtime, target)
    if server is None and config is None:
        return None
    driver, why = runtime_driver(server, config)
    if not driver:
        raise Undetermined(Unknown("failed", f"the runtime does not tell its driver: {why}"))
    return driver

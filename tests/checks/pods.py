"""Changes to the healthy node that the tests and faults of the pod network share."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from preflight.facts.model import Facts, known
from preflight.facts.model.cni import Cni, Plugin
from preflight.facts.model.network import Interface
from preflight.settings import Settings
from preflight.target import Phase, Target
from rules.cluster import Cluster, CniChoice, Role
from tests.nodes import cni, healthy, network, target

POD_SUBNET = "10.244.0.0/16"
BRIDGE_MAC = "0a:58:0a:f4:01:01"


def facts(value: Cni | None = None, *, node: Facts | None = None, **changes: Any) -> Facts:
    """The healthy node with these pod network facts."""
    return replace(node or healthy(), cni=replace(value or cni.healthy(), **changes))


def wanted(
    name: str = "bridge",
    *,
    mode: str = "",
    pods: tuple[str, ...] = (POD_SUBNET,),
    phase: Phase = Phase.BEFORE,
    role: Role = Role.MASTER,
    **settings: Any,
) -> Target:
    """A cluster with this pod network and pod ranges."""
    cluster = Cluster(cni=CniChoice(name, mode), pod_subnets=tuple(map(ip_network, pods)))
    return target(role, phase=phase, settings=Settings(cluster=cluster, **settings))


def conflist(*plugins: dict[str, Any], **head: Any) -> str:
    """The text of a list; without plugins the healthy bridge and portmap."""
    body = json.loads(cni.CONFLIST)
    return json.dumps({**body, **head, **({"plugins": list(plugins)} if plugins else {})})


def bridge_conf(**changes: Any) -> str:
    """The healthy conflist with other values in the bridge plugin."""
    bridge, portmap = json.loads(cni.CONFLIST)["plugins"]
    return conflist({**bridge, **changes}, portmap)


def changed_plugin(value: Cni, name: str, **changes: Any) -> Cni:
    """One plugin with other values; ``path=None`` takes it away."""
    plugins: list[Plugin] = []
    for plugin in known(value.plugins):
        if plugin.name != name:
            plugins.append(plugin)
        elif changes.get("path", "") is not None:
            plugins.append(replace(plugin, **changes))
    return replace(value, plugins=tuple(plugins))


def bridge_link(*addresses: str, **changes: Any) -> Interface:
    """cni0 as the bridge plugin leaves it."""
    link = Interface(
        name="cni0",
        index=5,
        kind="bridge",
        up=True,
        carrier=True,
        mac=BRIDGE_MAC,
        mtu=1500,
        mac_pinned=True,
        addresses=tuple(network.address(text) for text in addresses or ("10.244.1.1/24",)),
    )
    return replace(link, **changes)


def pod_link(name: str = "veth0a1b", index: int = 9, **changes: Any) -> Interface:
    """The host's end of a pod's interface."""
    link = Interface(
        name=name,
        index=index,
        kind="veth",
        up=True,
        carrier=True,
        mac=f"ee:ee:00:00:00:{index:02x}",
        mtu=1500,
        port_of="cni0",
        peer_elsewhere=True,
    )
    return replace(link, **changes)


def with_links(node: Facts, *links: Interface, routes: tuple[Any, ...] = ()) -> Facts:
    """The node with further interfaces and routes."""
    seen = known(node.network)
    return replace(
        node,
        network=replace(
            seen,
            interfaces=(*known(seen.interfaces), *links),
            routes=(*known(seen.routes), *routes),
        ),
    )

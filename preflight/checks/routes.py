"""Default routes and the reverse-path filter."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.picks import default_routes
from preflight.checks.registry import (
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    undetermined,
    warned,
)
from preflight.checks.remedies import set_sysctl
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.network import Interface, Route
from preflight.facts.model.uplinks import is_port, uplinks, usable_addresses
from preflight.target import Target

ALL_RP_FILTER = "net.ipv4.conf.all.rp_filter"
# Source: https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html (rp_filter)
OFF, STRICT, LOOSE = 0, 1, 2
_WORDS = {OFF: "off", STRICT: "strict", LOOSE: "loose"}


@check(
    "default-route",
    title="There is one default route",
    why="kubeadm, the kubelet and most pod networks take the address of the interface that the "
    "default route leads by; without one they find none and stop.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"
    "#check-network-adapters",
    applies="For each address family that the cluster or this node's addresses use.",
)
def default_route(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each family in use."""
    routes = known(known(facts.network).routes)
    for family in scope.families(target):
        yield _judge_family(target, family, default_routes(routes, family))


def _judge_family(target: Target, family: int, found: list[Route]) -> Judgement:
    subject = f"IPv{family}"
    if not found:
        return _no_default_route(target, family)
    best = found[0]
    equal = [route for route in found if route.metric == best.metric]
    # Several routers that announce themselves on one link are the normal IPv6 redundancy.
    distinct = {(route.interface, route.gateway) for route in equal}
    if family == 6 and len({route.interface for route in equal}) == 1:
        distinct = set()
    if len(distinct) > 1:
        ways = " and ".join(_way(route) for route in equal)
        return warned(
            f"two default routes are equal, so either may be taken: {ways}",
            subject=subject,
            observed=ways,
            expected="one, or different metrics",
            remedy=_raise_metric(equal[-1]),
        )
    return passed(_way(best), subject=subject, observed=_way(best))


def _no_default_route(target: Target, family: int) -> Judgement:
    settings = target.settings
    own = [*settings.node_ips, *filter(None, [settings.advertise_address])]
    remedy = (
        "add one to the system's network configuration; until the next boot: "
        f"ip -{family} route add default via GATEWAY"
    )
    if any(address.version == family for address in own):
        return warned(
            f"there is no IPv{family} default route; the node's address is set, so kubeadm does "
            "without, but pods reach nothing outside",
            subject=f"IPv{family}",
            remedy=remedy,
        )
    return failed(
        f"there is no IPv{family} default route",
        subject=f"IPv{family}",
        observed="none",
        expected="one",
        remedy=remedy,
    )


def _way(route: Route) -> str:
    gateway = f"{route.gateway} " if route.gateway else ""
    metric = f" (metric {route.metric})" if route.metric else ""
    return f"{gateway}by {route.interface}{metric}"


def _raise_metric(route: Route) -> str:
    via = f"via {route.gateway} " if route.gateway else ""
    way = f"default {via}dev {shlex.quote(route.interface)}"
    ip = f"ip -{route.destination.version} route"
    return f"{ip} del {way} && {ip} add {way} metric {route.metric + 100}"


@check(
    "reverse-path-filter",
    title="The reverse-path filter suits the pod network",
    why="A strict filter drops packets whose answer would leave by another interface, as with "
    "Cilium and on machines with several networks. Calico does not start with a loose one.",
    source="https://docs.tigera.io/calico/latest/reference/faq",
    severity=WARNING,
    applies="IPv4. The higher of net.ipv4.conf.all and net.ipv4.conf.INTERFACE counts.",
)
def reverse_path_filter(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for the machine, or one for each interface that drops too much."""
    if 4 not in scope.families(target):
        return
    kernel = known(facts.kernel)
    everywhere = _value(kernel.sysctls.get(ALL_RP_FILTER))
    if everywhere is None:
        why = "it may not be read" if ALL_RP_FILTER in kernel.sysctls_denied else "it is not there"
        yield undetermined(f"{ALL_RP_FILTER} is not known: {why}")
        return
    found = [*_for_pod_network(target, everywhere)]
    if not found:
        found = [*_for_several_networks(facts, kernel.sysctls, everywhere)]
    yield from found
    if not found:
        yield passed(
            f"{ALL_RP_FILTER} = {everywhere} ({_WORDS.get(everywhere, 'not a known mode')}), which "
            f"suits {target.cluster.cni.name}",
            observed=str(everywhere),
        )


def _value(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _for_pod_network(target: Target, everywhere: int) -> Iterator[Judgement]:
    profile, _ = scope.pod_network(target)
    if not profile.rp_filter or everywhere in profile.rp_filter:
        return
    wanted = STRICT if STRICT in profile.rp_filter else OFF
    if everywhere == LOOSE:
        message = f"{profile.title} does not start with {ALL_RP_FILTER} = 2 (loose)"
    else:
        # The higher value wins.
        message = (
            f"{profile.title} turns the filter off for each pod, and {ALL_RP_FILTER} = "
            f"{everywhere} overrides that"
        )
    yield failed(
        message,
        observed=str(everywhere),
        expected=str(wanted),
        remedy=set_sysctl((ALL_RP_FILTER, str(wanted))),
    )


def _for_several_networks(
    facts: Facts, sysctls: dict[str, str], everywhere: int
) -> Iterator[Judgement]:
    network = facts.network
    if isinstance(network, Unknown) or isinstance(network.interfaces, Unknown):
        return
    every = network.interfaces
    homes = [item for item in uplinks(every) if item.up and not is_port(item, every) and _v4(item)]
    if len(homes) < 2:
        return
    for item in homes:
        # A dot in an interface's name is a slash in a setting's.
        key = f"net.ipv4.conf.{item.name.replace('.', '/')}.rp_filter"
        own = _value(sysctls.get(key))
        if max(everywhere, own or 0) == STRICT:
            yield failed(
                f"{item.name} drops what would be answered by another interface (strict), and this "
                f"machine has {len(homes)} networks",
                subject=item.name,
                observed=str(STRICT),
                expected=f"{LOOSE} (loose)",
                remedy=set_sysctl((key, str(LOOSE))),
            )


def _v4(item: Interface) -> bool:
    return any(address.ip.version == 4 for address in usable_addresses(item))

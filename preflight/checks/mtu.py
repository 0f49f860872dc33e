"""Packet sizes, and whether IPv6 is there at all."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.picks import default_routes
from preflight.checks.registry import Judgement, check, failed, passed, undetermined, warned
from preflight.checks.remedies import set_sysctl
from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.network import Interface, Network
from preflight.facts.model.uplinks import is_port, uplinks, usable_addresses
from preflight.target import Target
from rules.cluster import Role

# RFC 8200, section 5: every link must carry 1280 bytes. RFC 791: every host must take 576.
IPV6_MINIMUM_MTU, IPV4_MINIMUM_MTU = 1280, 576
_DISABLE = "net.ipv6.conf.{}.disable_ipv6"


@check(
    "mtu-fits",
    title="Packets of pods fit the link",
    why="A tunnel takes bytes from each packet. What is left must hold IPv6's 1280 bytes, and "
    "links of different sizes lose large packets only, which looks like a hanging connection.",
    source="https://www.rfc-editor.org/rfc/rfc8200#section-5",
    applies="The links of the default routes and of the node's addresses.",
)
def mtu_fits(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each family of the underlay. Units: bytes."""
    network = known(facts.network)
    every = known(network.interfaces)
    for family in scope.families(target):
        links = _links(network, every, target, family)
        if links:
            yield _judge(target, family, links)
        if len({item.mtu for item in links}) > 1:
            sizes = ", ".join(f"{item.name} {item.mtu}" for item in links)
            least = min(item.mtu for item in links)
            larger = next(item for item in links if item.mtu != least)
            yield warned(
                f"the links of this node take packets of different sizes: {sizes}",
                subject=f"IPv{family} links",
                observed=sizes,
                expected="one MTU",
                remedy=f"ip link set {shlex.quote(larger.name)} mtu {least}",
            )


def _links(
    network: Network, every: tuple[Interface, ...], target: Target, family: int
) -> list[Interface]:
    """Where the node's packets of this family leave: default routes and configured addresses,
    and where there are none, every addressed card."""
    routes = known_or(network.routes, ())
    names = {route.interface for route in default_routes(routes, family)}
    settings = target.settings
    own = {*settings.node_ips, settings.advertise_address}
    cards = [
        item
        for item in uplinks(every)
        if not is_port(item, every)
        and any(address.ip.version == family for address in usable_addresses(item))
    ]
    named = [
        item
        for item in every
        if item.up
        and (
            item.name in names
            or any(a.ip in own and a.ip.version == family for a in item.addresses)
        )
        and not item.loopback
    ]
    return named or [item for item in cards if item.up]


def _judge(target: Target, family: int, links: list[Interface]) -> Judgement:
    subject = f"IPv{family}"
    link = min(links, key=lambda item: item.mtu)
    if target.role is Role.ETCD:
        what, overhead = "", 0
    else:
        profile, mode = scope.pod_network(target)
        what = profile.title if len(profile.modes) == 1 else f"{profile.title} ({mode.name})"
        taken = mode.overhead(family)
        if taken is None:
            return failed(
                f"{what} cannot be carried over IPv{family}",
                subject=subject,
                remedy=f"choose another pod network or mode for IPv{family}",
            )
        overhead = taken
    pod_mtu = link.mtu - overhead
    message = f"{link.name} takes packets of {link.mtu} bytes"
    if what:
        message += f", {what} adds {overhead}: pods get {pod_mtu}"
    needs_v6 = 6 in scope.families(target)
    least = IPV6_MINIMUM_MTU if needs_v6 else IPV4_MINIMUM_MTU
    name = shlex.quote(link.name)
    remedy = f"ip link set {name} mtu {max(1500, IPV6_MINIMUM_MTU + overhead)}"
    seen, expected = str(pod_mtu), f">= {least}"
    if pod_mtu < least:
        return failed(
            f"{message}, below IPv{6 if needs_v6 else 4}'s {least}",
            subject=subject,
            observed=seen,
            expected=expected,
            remedy=remedy,
        )
    if pod_mtu < IPV6_MINIMUM_MTU:
        return warned(
            f"{message}, less than most networks carry",
            subject=subject,
            observed=seen,
            expected=f">= {IPV6_MINIMUM_MTU}",
            remedy=remedy,
        )
    return passed(message, subject=subject, observed=seen)


@check(
    "ipv6-enabled",
    title="IPv6 is switched on",
    why="A cluster with an IPv6 range needs IPv6 in the kernel and on the node's interfaces; "
    "kubeadm and pod networks fail without.",
    source="https://kubernetes.io/docs/concepts/services-networking/dual-stack/#prerequisites",
    applies="Where a range of the cluster or an address of this node is IPv6.",
)
def ipv6_enabled(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement, or one for each place where it is switched off."""
    if 6 not in scope.families(target):
        return
    kernel = known(facts.kernel)
    every_key = _DISABLE.format("all")
    if every_key not in kernel.sysctls:
        if every_key in kernel.sysctls_denied:
            yield undetermined(f"{every_key} may not be read")
        else:
            yield failed(
                "the kernel runs without IPv6",
                observed=f"there is no {every_key}",
                remedy="remove ipv6.disable=1 from the kernel's command line, then reboot",
            )
        return
    places = ["all", "default"]
    if not isinstance(facts.network, Unknown):
        every = known_or(facts.network.interfaces, ())
        places += [item.name for item in uplinks(every) if item.up and not is_port(item, every)]
    # A dot in an interface's name is a slash in a setting's.
    keys = [_DISABLE.format(place.replace(".", "/")) for place in places]
    off = [key for key in keys if kernel.sysctls.get(key) == "1"]
    if off:
        yield failed(
            f"IPv6 is switched off: {' '.join(f'{key}=1' for key in off)}",
            observed=" ".join(off),
            expected="0",
            remedy=set_sysctl(*((key, "0") for key in off)),
        )
    else:
        yield passed("IPv6 is switched on: disable_ipv6 is 0 everywhere")

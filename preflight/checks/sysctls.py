"""Kernel settings that packets depend on: forwarding, and iptables for bridged traffic."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import (
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
    warned,
)
from preflight.checks.remedies import load_modules, set_sysctl
from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.kernel import Kernel
from preflight.target import Target
from rules.version import Version

IPV6_KEYS = ("net.ipv6.conf.all.forwarding", "net.ipv6.conf.default.forwarding")
# Address family -> the key that sends bridged packets of that family through netfilter.
BRIDGE_KEYS = {
    4: "net.bridge.bridge-nf-call-iptables",
    6: "net.bridge.bridge-nf-call-ip6tables",
}
# k/k#123464: kubeadm asked for the bridge keys, whatever the pod network, up to 1.29.
KUBEADM_DROPPED_BRIDGE_KEYS = Version(1, 30)


@check(
    "ip-forward",
    fix="ip-forward",
    title="IPv4 packets are forwarded",
    why="Packets of pods enter on one interface and leave on another; with net.ipv4.ip_forward=0 "
    "the kernel drops them, and kubeadm refuses the node.",
    source="https://kubernetes.io/docs/setup/production-environment/container-runtimes/#prerequisite-ipv4-forwarding-optional",
    aliases=("FileContent--proc-sys-net-ipv4-ip_forward",),
    applies="Where the cluster uses IPv4; not to an external etcd member.",
)
def ip_forward(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement of net.ipv4.ip_forward, which must be 1."""
    kernel = known(facts.kernel)
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
    elif 4 not in scope.families(target):
        yield skipped("the cluster uses IPv6 only")
    else:
        yield _must_be_one(kernel, "net.ipv4.ip_forward", "the kernel drops the packets of pods")


@check(
    "ipv6-forward",
    fix="ipv6-forward",
    title="IPv6 packets are forwarded",
    why="As ip-forward, for IPv6. Forwarding also makes an interface ignore router advertisements "
    "unless its accept_ra is 2, and a default route that came that way then expires.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/dual-stack-support/",
    aliases=("FileContent--proc-sys-net-ipv6-conf-default-forwarding",),
    applies="Where a range or an address of the cluster is IPv6; not to an external etcd member.",
)
def ipv6_forward(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each of two keys and each interface that would lose its route."""
    if 6 not in scope.families(target) or not scope.is_node(facts, target):
        return
    kernel = known(facts.kernel)
    for key in IPV6_KEYS:
        if key not in kernel.sysctls and key not in kernel.sysctls_denied:
            # That IPv6 is off altogether is what ipv6-enabled says.
            yield skipped("this kernel has no IPv6", subject=key)
            continue
        yield _must_be_one(kernel, key, "the kernel drops the IPv6 packets of pods", subject=key)
    yield from _advertised_routes(facts, kernel)


def _must_be_one(kernel: Kernel, key: str, otherwise: str, *, subject: str = "") -> Judgement:
    value = kernel.sysctl(key)
    if isinstance(value, Unknown):
        return undetermined(value.message, subject=subject)
    if value is None:
        return undetermined(f"this kernel does not tell {key}", subject=subject)
    if value == "1":
        return passed(f"{key} is 1", subject=subject, observed=value)
    return failed(
        f"{key} is {value}, so {otherwise}",
        subject=subject,
        observed=value,
        expected="1",
        remedy=set_sysctl((key, "1")),
    )


def _advertised_routes(facts: Facts, kernel: Kernel) -> Iterator[Judgement]:
    """Interfaces whose IPv6 default route came by an advertisement that the kernel handles."""
    if isinstance(facts.network, Unknown):
        return
    routes = known_or(facts.network.routes, ())
    names = {
        route.interface
        for route in routes
        if route.destination.version == 6
        and route.destination.prefixlen == 0
        and route.protocol == "ra"
    }
    for name in sorted(names):
        key = f"net.ipv6.conf.{name.replace('.', '/')}.accept_ra"
        # 0: a daemon such as systemd-networkd listens for advertisements itself.
        if kernel.sysctls.get(key) == "1":
            yield warned(
                f"{name} has its IPv6 default route from router advertisements, and {key} is 1: "
                "with forwarding on it ignores them, and the route expires",
                subject=name,
                observed="1",
                expected="2",
                remedy=set_sysctl((key, "2")),
            )


@check(
    "bridge-nf-call",
    fix="bridge-nf-call",
    title="Packets between pods on a bridge pass iptables",
    why="Where pods share a bridge, a Service whose endpoint is on the same node answers straight "
    "over the bridge: without net.bridge.bridge-nf-call-iptables=1 the reply skips connection "
    "tracking, keeps the pod's address instead of the Service's, and the client drops it. "
    "kubeadm stopped asking in 1.30 because other pod networks do not need it.",
    source="https://github.com/kubernetes/kubernetes/pull/123464",
    aliases=(
        "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables",
        "FileContent--proc-sys-net-bridge-bridge-nf-call-ip6tables",
    ),
    applies="Where the pod network is a Linux bridge, and wherever kubeadm up to 1.29 asks for it; "
    "not to an external etcd member.",
)
def bridge_nf_call(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each family in use, or one about br_netfilter."""
    kernel = known(facts.kernel)
    profile, _ = scope.pod_network(target)
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    asked = target.version.release < KUBEADM_DROPPED_BRIDGE_KEYS
    if not profile.linux_bridge and not asked:
        yield skipped(f"{profile.title} does not hang pods on a Linux bridge")
        return
    why = (
        "so Services do not answer pods of the same node"
        if profile.linux_bridge
        else f"which kubeadm {target.version} asks for"
    )
    keys = {family: BRIDGE_KEYS[family] for family in scope.families(target)}
    if not any(key in kernel.sysctls or key in kernel.sysctls_denied for key in keys.values()):
        yield _bridge_module_missing(kernel, why)
        return
    for key in keys.values():
        name = key.rpartition(".")[2]
        yield _bridge_key(kernel, key, why, f"FileContent--proc-sys-net-bridge-{name}")


def _bridge_module_missing(kernel: Kernel, why: str) -> Judgement:
    module = kernel.module("br_netfilter")
    name = module.name
    if module.state == "absent" or module.blocked_by or kernel.modules_disabled:
        return skipped(f"{name} cannot be loaded, which kernel-modules judges", subject=name)
    return failed(
        f"the module {name} is not loaded, so packets on a bridge skip iptables, {why}",
        subject=name,
        observed="not loaded",
        expected="loaded",
        remedy=load_modules(name),
    )


def _bridge_key(kernel: Kernel, key: str, why: str, alias: str) -> Judgement:
    value = kernel.sysctl(key)
    if isinstance(value, Unknown):
        return undetermined(value.message, subject=key, alias=alias)
    if value == "1":
        return passed(f"{key} is 1", subject=key, observed=value, alias=alias)
    return failed(
        f"{key} is {value or 'not there'}, {why}",
        subject=key,
        observed=value or "",
        expected="1",
        remedy=set_sysctl((key, "1")),
        alias=alias,
    )

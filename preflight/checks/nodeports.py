"""The NodePort range: nobody in it, and no connection takes a port of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import and_

from preflight.checks import listeners
from preflight.checks.boot import boot_setting
from preflight.checks.registry import WARNING, WORKER, Judgement, check, failed, passed
from preflight.checks.remedies import set_sysctl
from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.ports import Listener
from preflight.facts.portranges import parse_reserved
from preflight.target import Target
from rules.intervals import Interval, combine, normal

RESERVED = "net.ipv4.ip_local_reserved_ports"
# What serves NodePorts itself: kube-proxy (health checks of services, and every NodePort before
# 1.26), and what takes its place.
_SERVERS = frozenset(
    {"kube-proxy", "cilium-agent", "antrea-agent", "kube-router", "calico-node", "cilium-envoy"}
)


@check(
    "nodeport-range-free",
    title="Nobody listens in the NodePort range",
    why="A Service may get any port of the range; from then on its packets go to pods, and the "
    "program that listens there hears nothing any more.",
    source="https://kubernetes.io/docs/concepts/services-networking/service/#type-nodeport",
    severity=WARNING,
    roles=WORKER,
)
def nodeport_range_free(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each port of the range that is taken, or one that none is."""
    first, last = target.cluster.ports.node_ports
    taken: dict[str, list[Listener]] = {}
    for each in known(known(facts.ports).listeners):
        if first <= each.port <= last and each.process not in _SERVERS:
            taken.setdefault(f"{each.port}/{each.protocol}", []).append(each)
    for subject, found in taken.items():
        places = " and ".join(dict.fromkeys(listeners.place_of(each) for each in found))
        who = listeners.holder(found[0], facts)
        yield failed(
            f"{who} listens on {places}, and a Service may get this port",
            subject=subject,
            observed=who,
            expected="free",
            remedy=listeners.remedy(found[0], None, facts, target),
        )
    if not taken:
        yield passed(f"nobody listens on {first} to {last}")


@check(
    "nodeport-ephemeral-clash",
    fix="nodeport-ephemeral-clash",
    title="Connections take no port of the NodePort range",
    why="The kernel gives outgoing connections ports of net.ipv4.ip_local_port_range. One that is "
    "a NodePort or a component's port too is taken by chance: a component then does not start "
    "after a reboot, or answers of a connection go to a Service.",
    source="https://docs.kernel.org/networking/ip-sysctl.html",
    severity=WARNING,
    applies="The NodePort range, not on an external etcd member; and the ports that this role and "
    "pod network bind.",
)
def nodeport_ephemeral_clash(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for the NodePort range, one for the role's own ports if one clashes."""
    ports = known(facts.ports)
    range_ = known(ports.ephemeral)
    reserved = known(ports.reserved)
    said = f"connections from this machine take ports {range_[0]} to {range_[1]}"
    open_, clashes = _clashes(facts, target)
    keep = reserved_wanted(facts, target)
    for what, found in clashes.items():
        if not found:
            continue
        shared = _text(combine(normal(found), open_, and_))
        yield failed(
            f"{said}, {shared} of {what} among them",
            subject=shared,
            observed=_text([range_]),
            expected=f"{shared} reserved",
            remedy=set_sysctl((RESERVED, keep)),
        )
    if not any(clashes.values()):
        yield passed(said + (f" without {_text(reserved)}" if reserved else ""))


def _clashes(
    facts: Facts, target: Target
) -> tuple[tuple[Interval, ...], dict[str, list[Interval]]]:
    """The ports that connections take, and what of the wanted ranges is among them."""
    ports = known(facts.ports)
    # The kernel gives no connection a reserved port.
    open_ = combine((known(ports.ephemeral),), normal(known(ports.reserved)), _only_left)
    return open_, {
        what: [each for each in ranges if combine((each,), open_, and_)]
        for what, ranges in _wanted(target).items()
    }


def reserved_wanted(facts: Facts, target: Target) -> str:
    """What net.ipv4.ip_local_reserved_ports is to be: what it is, now and by the files that are
    read at boot, and what clashes.

    One list for all: setting it again would drop what was there.
    """
    _, clashes = _clashes(facts, target)
    reserved = [*known(known(facts.ports).reserved), *_reserved_at_boot(facts)]
    return _text(normal([*reserved, *(each for found in clashes.values() for each in found)]))


def _reserved_at_boot(facts: Facts) -> tuple[Interval, ...]:
    settings = () if isinstance(facts.kernel, Unknown) else known_or(facts.kernel.sysctl_files, ())
    setting = boot_setting(settings, RESERVED)
    found = () if setting is None else known_or(parse_reserved(setting.value), ())
    # What the kernel would refuse as a whole reserves nothing.
    return found if all(0 <= first <= last <= 65535 for first, last in found) else ()


def _wanted(target: Target) -> dict[str, list[Interval]]:
    """What may not be taken by chance: in words, and the ports."""
    own = {flow.ports for flow in target.policy.bound if flow.ports is not None}
    wanted = {"the ports of this role": sorted(own)}
    if target.role.runs_kubelet:
        wanted["the NodePort range"] = [target.cluster.ports.node_ports]
    return wanted


def _only_left(left: bool, right: bool) -> bool:
    return left and not right


def _text(ranges: Iterable[Interval]) -> str:
    """``8080,30000-32767``, as the kernel writes and reads it."""
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)

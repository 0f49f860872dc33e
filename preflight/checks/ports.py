"""Ports of the role and its pod network: free before kubeadm."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks import listeners
from preflight.checks.registry import BEFORE, Judgement, check, failed, passed, undetermined
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.ports import BindProbe, Listener, Ports
from preflight.target import Target
from rules.flows import Flow

# The family is not there at all: nobody can bind it, so nobody needs it to be free.
_NO_FAMILY = frozenset({"EAFNOSUPPORT", "EADDRNOTAVAIL"})
_REFUSED = frozenset({"EACCES", "EPERM"})


@check(
    "port-free",
    title="The ports of the role are free",
    why="A component whose port is taken does not start, and kubeadm init or join refuses; the pod "
    "network's tunnel then carries nothing, which shows only later, as pods that cannot talk.",
    source="https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    phases=BEFORE,
    aliases=("Port-*",),
    applies="The ports that this role, Kubernetes version and pod network bind, TCP and UDP; those "
    "of optional components are not asked for. Up to 1.36 kubeadm wants its ports free on every "
    "address, from 1.37 on only where the component binds.",
)
def port_free(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each port, or for each program that holds one."""
    ports = known(facts.ports)
    for flow in target.policy.bound:
        if flow.protocol.value in ("tcp", "udp"):
            yield from _judge(flow, ports, facts, target)


def _judge(flow: Flow, ports: Ports, facts: Facts, target: Target) -> Iterator[Judgement]:
    seen = [] if isinstance(ports.listeners, Unknown) else listeners.on_port(ports.listeners, flow)
    found = [each for each in seen if listeners.in_the_way(each, flow, facts, target)]
    if found:
        yield _taken(flow, found, facts, target)
    elif seen:
        places = " and ".join(listeners.place_of(each) for each in seen)
        yield passed(
            f"{places} is in use, which is not where {flow.component} listens",
            subject=flow.label,
            alias=_alias(flow),
        )
    else:
        yield _untaken(flow, ports)


def _taken(flow: Flow, found: list[Listener], facts: Facts, target: Target) -> Judgement:
    # Two sockets of one process, v4 and v6, are one finding.
    first = found[0]
    places = " and ".join(dict.fromkeys(listeners.place_of(each) for each in found))
    who = dict.fromkeys(listeners.holder(each, facts) for each in found)
    holders, verb = " and ".join(who), "listens" if len(who) == 1 else "listen"
    remedies = dict.fromkeys(listeners.remedy(each, flow, facts, target) for each in found)
    why = f"{flow.component} needs it"
    if not first.address.is_unspecified and listeners.kubeadm_refuses(flow, target):
        why = f"kubeadm {target.version.release} wants the port to be free on every address"
    return failed(
        f"{holders} {verb} on {places}, and {why}",
        subject=flow.label,
        observed=holders,
        expected="free",
        remedy=" && ".join(remedies),
        alias=_alias(flow),
    )


def _untaken(flow: Flow, ports: Ports) -> Judgement:
    """Nobody was seen listening; what binding it said counts more."""
    subject, alias = flow.label, _alias(flow)
    probes = _probes(flow, ports)
    errors: dict[str, BindProbe] = {}
    for probe in probes:
        if probe.error and not _absent(probe):
            errors.setdefault(probe.error, probe)
    if (held := errors.get("EADDRINUSE")) is not None:
        protocol = "-tanp" if flow.protocol.value == "tcp" else "-uanp"
        return failed(
            f"a socket that does not listen holds it on IPv{held.family}, and {flow.component} "
            "needs it",
            subject=subject,
            observed=held.error,
            expected="free",
            remedy=f"end the program that is found with: ss {protocol} 'sport = :{held.port}'",
            alias=alias,
        )
    for error, probe in errors.items():
        why = "permission was refused" if error in _REFUSED else f"the kernel said {error}"
        return undetermined(
            f"it could not be tried on IPv{probe.family}: {why}",
            subject=subject,
            remedy="run nodeprep as root" if error in _REFUSED else "",
            alias=alias,
        )
    if isinstance(ports.listeners, Unknown) and all(map(_absent, probes)):
        return undetermined(ports.listeners.message, subject=subject, alias=alias)
    return passed(f"nobody holds the port of {flow.component}", subject=subject, alias=alias)


def _probes(flow: Flow, ports: Ports) -> list[BindProbe]:
    if isinstance(ports.bind_probes, Unknown) or flow.ports is None:
        return []
    families = frozenset({4, 6}) if flow.process else flow.families
    first, last = flow.ports
    return [
        probe
        for probe in ports.bind_probes
        if probe.protocol == flow.protocol.value
        and first <= probe.port <= last
        and probe.family in families
    ]


def _absent(probe: BindProbe) -> bool:
    return probe.error in _NO_FAMILY


def _alias(flow: Flow) -> str:
    return f"Port-{flow.ports[0]}" if flow.ports else ""

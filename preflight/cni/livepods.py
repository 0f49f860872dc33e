"""The pods that live on this node: whether what they were given still works.

The plugins' own CHECK sees less than half of what breaks; pings tell the rest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from preflight.cni import cache, causes, chain
from preflight.cni.attachment import Attachment
from preflight.cni.ownrules import ask
from preflight.cni.pods import Pod, link_mtu, pod_of
from preflight.cni.probing import Answer, Probe
from preflight.cni.proof import Cause
from preflight.cni.prove import side_by_side
from preflight.cni.questions import Outside, named, on_link
from preflight.cni.spec import NetworkConfig, valid_interface, valid_name
from preflight.facts.cnistate import parse_cache_entry
from rules.errors import CommandError, ConfigError, NodeprepError
from rules.files import read_input
from rules.record import record

# A node has 110 pods by default; of more than this the first are looked at.
PODS_LIMIT = 250
_AT_ONCE = 8


@record
class LivePod:
    """A pod, and what is wrong with its network; ``causes`` empty: nothing is."""

    container: str
    interface: str
    netns: str
    causes: tuple[Cause, ...]


def examine_pods(
    network: NetworkConfig, caller: chain.Caller, places: Sequence[Outside]
) -> tuple[LivePod, ...]:
    """Every pod of this network whose namespace is there, by libcni's cache."""
    found = _attached(network, caller)
    failures = [
        failure
        for start in range(0, len(found), _AT_ONCE)
        for failure in side_by_side(
            lambda one: _check(network, one, caller),
            [a for a, _ in found[start : start + _AT_ONCE]],
        )
    ]
    pods = [pod_of(a.container, a.netns, result, a.interface) for a, result in found]
    probes = [probe for pod in pods for probe in _probes(pod, network, places)]
    answers = ask(probes)
    return tuple(
        LivePod(
            pod.name,
            pod.interface,
            pod.netns,
            causes.unique(
                [
                    *_said(failure, network),
                    *_silent(pod, answers, places),
                    *_mtu(pod, network),
                ]
            ),
        )
        for pod, failure in zip(pods, failures, strict=True)
    )


def _attached(
    network: NetworkConfig, caller: chain.Caller
) -> list[tuple[Attachment, dict[str, Any]]]:
    directory = os.path.join(caller.cache_dir, "results")
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    found = []
    for name in names:
        entry = _entry(os.path.join(directory, name))
        if entry is None or entry.get("networkName") != network.name:
            continue
        result = entry.get("result")
        netns = str(entry.get("netns") or _sandbox(result))
        container, interface = str(entry.get("containerId")), str(entry.get("ifName"))
        if not (valid_name(container) and valid_interface(interface)):
            continue
        if isinstance(result, dict) and netns and os.path.exists(netns):
            found.append((Attachment(container, netns, interface), result))
    return found[:PODS_LIMIT]


def _entry(path: str) -> dict[str, Any] | None:
    """A result of libcni; None for a file that is none, or went meanwhile."""
    import json

    try:
        text = read_input(path)
    except ConfigError:
        return None
    if parse_cache_entry(text, path, 0.0) is None:
        return None
    body: dict[str, Any] = json.loads(text)
    return body


def _sandbox(result: Any) -> str:
    """The namespace in the result itself: libcni before 1.2 keeps it nowhere else."""
    links = result.get("interfaces") if isinstance(result, dict) else None
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("sandbox"):
            return str(link["sandbox"])
    return ""


def _check(
    network: NetworkConfig, attachment: Attachment, caller: chain.Caller
) -> NodeprepError | None:
    try:
        chain.check(network, attachment, caller)
    except chain.CheckUnsupported:
        return None
    except (NodeprepError, cache.CacheError) as error:
        return error
    return None


def _said(failure: NodeprepError | None, network: NetworkConfig) -> list[Cause]:
    if failure is None:
        return []
    words = Cause(
        "check",
        f"CHECK: {failure}",
        "nodeprep cni del, then add; for a pod of Kubernetes: delete it, and it is made anew",
    )
    return causes.explain(failure, network) or [words]


def _probes(pod: Pod, network: NetworkConfig, places: Sequence[Outside]) -> list[Probe]:
    link = on_link(network)
    probes = []
    for family, address in sorted(pod.addresses.items()):
        if not link:
            probes.append(Probe(_name(pod, "host-to-pod", family), "", address))
        if family in pod.gateways:
            gateway = pod.gateways[family]
            probes.append(Probe(_name(pod, "pod-to-gateway", family), pod.netns, gateway))
    for place in places:
        if place.address.version in pod.addresses:
            for kind, where in (("outside", pod.netns), ("host", "")):
                probes.append(
                    Probe(f"{pod.name} {kind} {place}", where, place.address, place.port,
                          greeted=False)
                )  # fmt: skip
    return probes


def _name(pod: Pod, step: str, family: int) -> str:
    return f"{pod.name} {named(step, family)}"


_MEANS = {
    "host-to-pod": "this host does not reach the pod",
    "pod-to-gateway": "the pod does not reach its gateway",
}


def _silent(pod: Pod, answers: dict[str, Answer], places: Sequence[Outside]) -> list[Cause]:
    """What the pings tell."""
    found = []
    for step, meaning in _MEANS.items():
        for family, address in sorted(pod.addresses.items()):
            answer = answers.get(_name(pod, step, family))
            if answer is not None and not answer.ok:
                found.append(
                    Cause(
                        named(step, family),
                        f"{meaning} ({address}: {answer.why})",
                        f"ip route get {address}; ip -d link show; nodeprep cni prove",
                    )
                )
    found += _no_way_out(pod, answers, places)
    return found


def _no_way_out(pod: Pod, answers: dict[str, Answer], places: Sequence[Outside]) -> list[Cause]:
    """Nothing outside answers the pod, though the host gets an answer."""
    asked = [place for place in places if f"{pod.name} outside {place}" in answers]
    if any(answers[f"{pod.name} outside {place}"].ok for place in asked):
        return []
    mine = [place for place in asked if answers[f"{pod.name} host {place}"].ok]
    if not mine:
        return []
    why = answers[f"{pod.name} outside {mine[0]}"].why
    return [
        Cause(
            "pod-to-outside",
            f"the pod does not reach {mine[0]} and this host does ({why}): no masquerading, no "
            "forwarding, or a filter",
            "nodeprep cni prove, which tells which",
        )
    ]


def _mtu(pod: Pod, network: NetworkConfig) -> list[Cause]:
    """Another MTU than the network gives: somebody changed it."""
    wanted = network.plugins[0].get("mtu")
    if not isinstance(wanted, int) or not wanted:
        wanted = 1500 if network.plugins[0]["type"] in ("bridge", "ptp") else 0
    try:
        mtu = link_mtu(pod.netns, pod.interface)
    except CommandError as error:
        return [Cause("interface", str(error), "delete the pod, and it is made anew")]
    if not wanted or mtu == wanted:
        return []
    return [
        Cause(
            "pod-mtu",
            f"{pod.interface} has an MTU of {mtu} bytes, and the network gives {wanted}",
            f"nsenter --net={pod.netns} ip link set {pod.interface} mtu {wanted}",
        )
    ]

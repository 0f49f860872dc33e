"""Ports of the role and its pod network: answered after kubeadm, by the right program."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks import listeners
from preflight.checks.addresses import node_address
from preflight.checks.registry import (
    AFTER,
    Judgement,
    check,
    failed,
    passed,
    undetermined,
    warned,
)
from preflight.facts.model import Facts, known
from preflight.facts.model.ports import Listener
from preflight.target import Target
from rules.cluster import Role
from rules.flows import Flow, Group, Protocol

# Without these a node works; a cluster may have none of them.
_OUTSIDERS = frozenset({Group.LOAD_BALANCERS, Group.MONITORING})


@check(
    "port-listening",
    title="Every component of the role listens",
    why="A port on which nobody listens, the wrong program does, or the right one only for "
    "itself: to its peers each looks like a node that is down.",
    source="https://kubernetes.io/docs/reference/networking/ports-and-protocols/",
    phases=AFTER,
    applies="The ports that this role, Kubernetes version and pod network bind. A missing loopback "
    "port of a component that listens elsewhere is a warning.",
)
def port_listening(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each port."""
    every = known(known(facts.ports).listeners)
    flows = [f for f in target.policy.bound if f.protocol in (Protocol.TCP, Protocol.UDP)]
    for flow in flows:
        found = listeners.on_port(every, flow)
        right = [each for each in found if _is_right(each, flow, facts)]
        if right:
            yield _judge_place(flow, right, facts, target)
        elif found:
            yield _judge_holder(flow, found[0], facts, target)
        else:
            others = [f for f in flows if f.component == flow.component and f is not flow]
            secondary = flow.loopback_only and any(
                _is_right(each, other, facts)
                for other in others
                for each in listeners.on_port(every, other)
            )
            judge = warned if secondary else failed
            yield judge(
                f"nobody listens, and {_name(flow)} should",
                subject=flow.label,
                observed="closed",
                expected=_name(flow),
                remedy=_diagnose(flow, target),
            )


def _is_right(listener: Listener, flow: Flow, facts: Facts) -> bool:
    if not flow.process:
        # Without root, a process of another user looks like a tunnel of the kernel.
        return listener.pid is None and (listener.kernel or facts.privileges.uid == 0)
    return listener.process == flow.process


def _name(flow: Flow) -> str:
    return flow.component if flow.process else f"{flow.component}'s tunnel in the kernel"


def _judge_holder(flow: Flow, listener: Listener, facts: Facts, target: Target) -> Judgement:
    place = listeners.place_of(listener)
    if listener.pid is None and not listener.kernel:
        return undetermined(
            f"{listeners.holder(listener, facts)} listens on {place}, and whether that is "
            f"{_name(flow)} cannot be told",
            subject=flow.label,
            remedy="run nodeprep as root" if facts.privileges.uid else "",
        )
    who = listeners.holder(listener, facts)
    return failed(
        f"{who} listens on {place} instead of {_name(flow)}",
        subject=flow.label,
        observed=who,
        expected=flow.process or "the kernel",
        remedy=listeners.remedy(listener, flow, facts, target),
    )


def _judge_place(flow: Flow, found: list[Listener], facts: Facts, target: Target) -> Judgement:
    """The right program listens: on an address that those who need it can reach?"""
    places = " and ".join(dict.fromkeys(listeners.place_of(each) for each in found))
    good = passed(f"{_name(flow)} listens on {places}", subject=flow.label, observed=places)
    if flow.local:
        return good
    senders = ", ".join(sorted(str(group) for group in flow.sources))
    open_to = [each for each in found if not each.address.is_loopback]
    reached = {family for each in open_to for family in listeners.families_of(each)}
    if not reached & flow.families:
        family = "" if not open_to else f" over IPv{min(flow.families)}"
        judge = warned if flow.sources <= _OUTSIDERS else failed
        return judge(
            f"{_name(flow)} listens only on {places}, where no other machine reaches it{family} "
            f"({senders})",
            subject=flow.label,
            observed=places,
            expected="an address of the node",
            remedy=_open_up(flow),
        )
    own = node_address(facts, target)
    if (
        own is not None
        and own.version in flow.families
        and not any(own == each.address or each.address.is_unspecified for each in open_to)
    ):
        return warned(
            f"{_name(flow)} listens only on {places}, and this node is known as {own}",
            subject=flow.label,
            observed=places,
            expected=str(own),
            remedy=_open_up(flow),
        )
    return good


def _diagnose(flow: Flow, target: Target) -> str:
    """The command that shows why a component does not run."""
    name = shlex.quote(flow.component)
    if flow.component == "kubelet":
        return "systemctl restart kubelet.service && journalctl -u kubelet.service -n 50"
    if flow.component == "etcd" and target.role is Role.ETCD:
        return "systemctl restart etcd.service && journalctl -u etcd.service -n 50"
    # crictl works on every node; kubectl has no credentials on most.
    return f"crictl ps -a --name {name} && crictl logs --tail 50 $(crictl ps -aq --name {name})"


def _open_up(flow: Flow) -> str:
    if flow.component == "kubelet":
        return (
            "sed -i 's/^address:.*/address: 0.0.0.0/' /var/lib/kubelet/config.yaml && "
            "systemctl restart kubelet.service"
        )
    if flow.component.startswith("kube-proxy"):
        return (
            "set healthzBindAddress: 0.0.0.0:10256 in the ConfigMap kube-proxy of kube-system, "
            "then kubectl -n kube-system rollout restart daemonset kube-proxy"
        )
    flag = "--listen-client-urls and --listen-peer-urls" if flow.component == "etcd" else "address"
    if flow.component in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        flag = flag if flow.component == "etcd" else "--bind-address"
        manifest = f"/etc/kubernetes/manifests/{flow.component}.yaml"
        return f"set {flag} to an address of the node in {manifest}"
    return f"set the address that {flow.component} listens on to one of the node"

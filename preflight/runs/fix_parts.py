"""What the firewall and the CNI part would do about the findings of one run of `nodeprep fix`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from preflight.finding import Finding
from preflight.fixes.parts import PARTS
from preflight.fixes.registry import Options
from preflight.fixes.steps import State
from preflight.target import Target
from rules.errors import NodeprepError

if TYPE_CHECKING:
    from preflight.runs.fix import Request


def with_parts(
    options: Options, request: Request, target: Target, findings: tuple[Finding, ...]
) -> Options:
    """The options with the plans of the parts that a finding calls for. Changes nothing."""
    failing = {each.id for each in findings if each.needs_doing}
    found: dict[str, State] = {}
    refused: dict[str, str] = {}
    for kind, checks in PARTS.items():
        if failing.isdisjoint(checks):
            continue
        try:
            state = _PLANS[kind](request, target)
        except NodeprepError as error:
            refused[kind] = str(error)
        else:
            if state is not None:
                found[kind] = state
    return replace(options, parts=found, refused=refused)


def _firewall(request: Request, target: Target) -> State:
    from preflight.firewall.policy import PolicyRequest
    from preflight.fixes.kinds import firewall

    return firewall.wanted(
        PolicyRequest(
            role=request.role,
            config=request.config,
            kubeadm_config=request.kubeadm_config,
            kubernetes_version=request.kubernetes_version,
            cni=request.cni,
        )
    )


def _pod_network(request: Request, target: Target) -> State:
    """None where the wanted network is a product's, which comes with its own pods."""
    from preflight.checks.scope import pod_network
    from preflight.cni.plan import Flags
    from preflight.cni.products import made_of_reference_plugins
    from preflight.fixes.kinds import podnetwork

    profile, _ = pod_network(target)
    if not made_of_reference_plugins(profile):
        return None
    return podnetwork.wanted(
        Flags(
            plugin=profile.name,
            node_name=request.hostname,
            config=request.config,
            kubeadm_config=request.kubeadm_config,
            kubernetes_version=request.kubernetes_version,
        )
    )


_PLANS: dict[str, Callable[[Request, Target], State]] = {
    "firewall": _firewall,
    "pod-network": _pod_network,
}

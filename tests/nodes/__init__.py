"""A healthy node as a value: every check of every role passes on it. Faults are changes to it."""

from __future__ import annotations

from typing import Any

from preflight.facts.model import Facts
from preflight.facts.model.identity import Privileges
from preflight.settings import Settings
from preflight.target import Phase, Target
from rules.cluster import Role
from rules.version import Version
from tests.nodes import cni, firewall, hardware, identity, kernel, network, ports, runtime, system

ALL_CAPABILITIES = (1 << 41) - 1


def healthy() -> Facts:
    """A master before `kubeadm init`: Debian 12, kernel 6.1, containerd 2.1, kubelet 1.37."""
    return Facts(
        nodeprep="0.1.0",
        collected="2026-11-23T12:00:00Z",
        privileges=Privileges(uid=0, capabilities=ALL_CAPABILITIES),
        identity=identity.healthy(),
        system=system.healthy(),
        network=network.healthy(),
        ports=ports.healthy(),
        firewall=firewall.healthy(),
        hardware=hardware.healthy(),
        kernel=kernel.healthy(),
        runtime=runtime.healthy(),
        cni=cni.healthy(),
    )


def target(
    role: Role = Role.MASTER,
    *,
    phase: Phase = Phase.BEFORE,
    version: Version = Version(1, 37),  # noqa: B008  (an immutable value)
    settings: Settings | None = None,
) -> Target:
    """What the healthy node is to become; every part can be another."""
    return Target(role, phase, version, settings or Settings(), "given")


def judge(check_id: str, facts: Facts, wanted: Target | None = None) -> list[Any]:
    """The findings of one check, through the engine."""
    from preflight.checks.registry import registry
    from preflight.engine import Selection, run_checks

    return run_checks(facts, wanted or target(), [registry()[check_id]], Selection(deep=True))

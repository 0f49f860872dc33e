"""Processors, memory, disks and the clock source."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.registry import CONTROL_PLANE, Judgement, check, failed, passed
from preflight.facts.model import Facts, known
from preflight.target import Target

# kubeadm's ControlPlaneNumCPU (cmd/kubeadm/app/constants/constants.go, 1.24 to 1.37).
CONTROL_PLANE_CPUS = 2


@check(
    "cpu-count",
    title="At least two processors for a control plane",
    why="API server, etcd, controller manager and scheduler starve each other on one processor; "
    "kubeadm init refuses it.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/",
    roles=CONTROL_PLANE,
    aliases=("NumCPU",),
)
def cpu_count(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. Units: processors that a process may use."""
    cpus = known(known(facts.hardware).cpus)
    if cpus >= CONTROL_PLANE_CPUS:
        yield passed(f"{cpus} processors", observed=str(cpus))
    else:
        yield failed(
            f"{cpus} processor, and a control plane needs {CONTROL_PLANE_CPUS}",
            observed=str(cpus),
            expected=f">= {CONTROL_PLANE_CPUS}",
            remedy="give the machine a second processor, then start it again",
        )

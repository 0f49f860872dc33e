"""Processors and memory."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.registry import CONTROL_PLANE, Judgement, check, failed, passed, warned
from preflight.facts.model import Facts, known
from preflight.target import Target
from rules.cluster import Role

MIB = 1024 * 1024
# kubeadm's ControlPlaneNumCPU (cmd/kubeadm/app/constants/constants.go, 1.24 to 1.37).
CONTROL_PLANE_CPUS = 2
# kubeadm's ControlPlaneMem (same file): MiB of all memory, as bytes / 1024 / 1024 rounded down.
CONTROL_PLANE_MEMORY_MIB = 1700
# kubespray's minimal_node_memory_mb; etcd alone wants as much to keep its database in memory.
OTHER_MEMORY_MIB = 1024


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


@check(
    "memory",
    title="Enough memory for the role",
    why="kubeadm refuses a control plane with less than 1700 MiB: API server and etcd alone take "
    "about a gigabyte. A worker below 1 GiB has no room for pods beside its system daemons.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/",
    aliases=("Mem",),
    applies="1700 MiB for control planes; a warning below 1024 MiB for workers and etcd members.",
)
def memory(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. Units: MiB of all memory, not of what is free."""
    total_mib = known(known(facts.hardware).memory_bytes) // MIB
    needed = CONTROL_PLANE_MEMORY_MIB if target.role.control_plane else OTHER_MEMORY_MIB
    if total_mib >= needed:
        yield passed(f"{total_mib} MiB of memory", observed=f"{total_mib} MiB")
        return
    who = {Role.WORKER: "a worker", Role.ETCD: "an etcd member"}.get(target.role, "a control plane")
    judge = failed if target.role.control_plane else warned
    yield judge(
        f"{total_mib} MiB of memory, and {who} needs {needed} MiB",
        observed=f"{total_mib} MiB",
        expected=f">= {needed} MiB",
        remedy=f"give the machine at least {needed} MiB of memory, then start it again",
    )

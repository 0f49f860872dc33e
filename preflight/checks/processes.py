"""Programs that compete with this node's components."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks.registry import WARNING, Judgement, check, failed, passed
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.runtime import Process, Runtime
from preflight.target import Phase, Target
from preflight.versions.distributions import COMPONENTS, distribution_of
from rules.cluster import Role


@check(
    "conflicting-processes",
    title="No other cluster runs on this machine",
    why="k3s, RKE2, MicroK8s, an older kubelet or an etcd of its own hold the ports and write the "
    "packet filter that this node needs; a dockerd without CRI is no runtime for Kubernetes.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/"
    "install-kubeadm/#check-required-ports",
    severity=WARNING,
)
def conflicting_processes(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each competing program, else one."""
    runtime = known(facts.runtime)
    judged: dict[str, Judgement] = {}
    for process in known(runtime.processes):
        # A cluster in containers with a network of its own (kind, minikube) is in nobody's way.
        if process.own_network is False:
            continue
        judgement = _judge(runtime, target, process)
        if judgement is not None:
            judged.setdefault(judgement.subject, judgement)
    if judged:
        yield from judged.values()
    else:
        yield passed("no other cluster's process runs here")


def _judge(runtime: Runtime, target: Target, process: Process) -> Judgement | None:
    distribution = distribution_of(process.name)
    label = f"{process.name} (process {process.pid}"
    label += f", {process.unit})" if process.unit else ")"
    if distribution is not None:
        return failed(
            f"{distribution.name} runs here: {label}",
            subject=distribution.name,
            observed=process.command,
            remedy=distribution.removal,
        )
    if process.name == "dockerd":
        return _docker(runtime, label, process)
    if target.phase is not Phase.BEFORE:
        return None
    if process.name == "etcd":
        # An external etcd is started by its own hands; that of a master by kubeadm.
        if target.role is Role.WORKER or (
            target.role.control_plane and target.settings.etcd.endpoints
        ):
            return None
        return failed(
            f"an etcd runs already: {label}",
            subject=process.name,
            observed=process.command,
            remedy=_stop(process),
        )
    # The package's kubelet starts over and over until kubeadm configures it: that is no conflict.
    if process.name in COMPONENTS and process.unit != "kubelet.service":
        return failed(
            f"a component of another cluster runs: {label}",
            subject=process.name,
            observed=process.command,
            remedy=_stop(process),
        )
    return None


def _stop(process: Process) -> str:
    if process.unit.endswith(".service"):
        return f"systemctl disable --now {shlex.quote(process.unit)}"
    return "kubeadm reset"


def _docker(runtime: Runtime, label: str, process: Process) -> Judgement | None:
    servers = runtime.cri_servers
    if isinstance(servers, Unknown) or any(server.api for server in servers):
        return None
    if any(server.reason in ("denied", "timeout") for server in servers):
        return None
    return failed(
        f"Docker runs without a CRI that Kubernetes could use: {label}",
        subject="dockerd",
        observed=process.command,
        remedy="containerd config default > /etc/containerd/config.toml && "
        "sed -i -E 's/(SystemdCgroup *= *)false/\\1true/' /etc/containerd/config.toml && "
        "systemctl restart containerd.service",
    )

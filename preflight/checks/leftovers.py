"""What an earlier cluster left."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from preflight.checks.registry import (
    BEFORE,
    CONTROL_PLANE,
    ETCD_ROLES,
    KUBELET_ROLES,
    WORKER,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
)
from preflight.facts.model import Facts, known
from preflight.facts.model.runtime import Runtime
from preflight.target import Target
from preflight.versions.kubeadm import KUBELET_FILES, MANIFESTS
from rules.cluster import Role

_RESET = "kubeadm reset"
_SOURCE = "https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-reset/"
# mkfs makes it; kubeadm alone takes it for content.
_LOST_AND_FOUND = "lost+found"
_SHOWN = 4


def file_alias(path: str) -> str:
    """kubeadm's name for the check that a file is absent."""
    return "FileAvailable-" + path.replace("/", "-")


def _absent(runtime: Runtime, paths: tuple[str, ...], what: str) -> Iterator[Judgement]:
    """One judgement for each path that is there or may not be seen; else one that says so."""
    found = known(runtime.leftovers)
    quiet = True
    for path in paths:
        name, alias = os.path.basename(path), file_alias(path)
        if path in found:
            quiet = False
            yield failed(
                f"{path} is there, left by an earlier kubeadm init or join",
                subject=name,
                remedy=_RESET,
                alias=alias,
            )
        elif path in runtime.leftovers_denied:
            quiet = False
            yield undetermined(
                f"{path} may not be looked at without root", subject=name, alias=alias
            )
    if quiet:
        yield passed(f"no {what} is left of an earlier cluster")


@check(
    "manifests-absent",
    title="No static pod manifests of an earlier control plane",
    why="kubeadm init and join refuse to write over the manifests of a control plane that may "
    "still run.",
    source=_SOURCE,
    roles=CONTROL_PLANE,
    phases=BEFORE,
    aliases=tuple(file_alias(path) for path in MANIFESTS),
)
def manifests_absent(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each manifest that is there, else one."""
    yield from _absent(known(facts.runtime), MANIFESTS, "manifest")


@check(
    "kubelet-conf-absent",
    title="No kubelet credentials of an earlier cluster",
    why="With an old kubelet.conf the kubelet goes on speaking to the old cluster; kubeadm join "
    "refuses it.",
    source=_SOURCE,
    roles=KUBELET_ROLES,
    phases=BEFORE,
    aliases=tuple(file_alias(path) for path in KUBELET_FILES),
)
def kubelet_conf_absent(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each file that is there, else one."""
    yield from _absent(known(facts.runtime), KUBELET_FILES, "kubelet configuration")


@check(
    "ca-absent",
    title="No certificate authority of an earlier cluster",
    why="A worker gets the CA from the cluster that it joins; one that is already there belongs "
    "to another cluster, or makes kubeadm join stop.",
    source=_SOURCE,
    roles=WORKER,
    phases=BEFORE,
    aliases=("FileAvailable--etc-kubernetes-pki-ca.crt",),
)
def ca_absent(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement."""
    path = os.path.join(target.settings.certificates_dir, "ca.crt")
    yield from _absent(known(facts.runtime), (path,), "CA certificate")


@check(
    "etcd-dir-empty",
    title="etcd's data directory is empty",
    why="etcd takes up the data that it finds: a member of an old cluster does not join the new "
    "one, and kubeadm refuses it.",
    source=_SOURCE,
    roles=ETCD_ROLES,
    phases=BEFORE,
    aliases=("DirAvailable--var-lib-etcd",),
)
def etcd_dir_empty(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. Only where etcd runs on this node."""
    if target.role is not Role.ETCD and target.settings.etcd.endpoints:
        yield skipped("etcd runs elsewhere")
        return
    runtime = known(facts.runtime)
    path = target.settings.etcd.data_dir
    alias = "DirAvailable-" + path.replace("/", "-")
    if runtime.etcd_directory != path:
        yield undetermined(
            f"these facts tell about {runtime.etcd_directory}, not {path}", alias=alias
        )
        return
    entries = known(runtime.etcd_entries)
    left = [name for name in entries or () if name != _LOST_AND_FOUND]
    if left:
        shown = ", ".join(left[:_SHOWN]) + (", ..." if len(left) > _SHOWN else "")
        yield failed(
            f"{path} is not empty: {shown}",
            observed=f"{len(left)} entries",
            expected="empty",
            remedy=_keep_aside(path) if target.role is Role.ETCD else _RESET,
            alias=alias,
        )
    elif entries is None:
        yield passed(f"{path} is not there yet", alias=alias)
    elif entries:
        yield passed(f"{path} is empty but for {_LOST_AND_FOUND}", alias=alias)
    else:
        yield passed(f"{path} is empty", alias=alias)


def _keep_aside(path: str) -> str:
    """kubeadm reset knows nothing of an external member: its data is kept under another name."""
    old, new = shlex.quote(path), shlex.quote(f"{path.rstrip('/')}.before")
    return f"mv {old} {new} && mkdir -m 700 {old}"

"""Programs that the node's components call."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator

from preflight.checks.packages import install_packages
from preflight.checks.registry import (
    ERROR,
    KUBELET_ROLES,
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    undetermined,
    warned,
)
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.runtime import Runtime
from preflight.target import Target
from preflight.versions.kubeadm import Program, programs
from rules.version import parse_version

# https://kubernetes.io/docs/reference/networking/virtual-ips/#proxy-mode-nftables: an older nft on
# the host breaks what kube-proxy's own writes.
_NFT_MINIMUM = (1, 0, 1)


@check(
    "executable",
    fix="executable",
    title="The programs that this Kubernetes version runs are there",
    why="kubeadm and the kubelet call these programs by name and look for them in PATH. The list "
    "changes with the minor.",
    source="https://github.com/kubernetes/kubernetes/blob/master/cmd/kubeadm/app/preflight/"
    "checks_linux.go",
    roles=KUBELET_ROLES,
    aliases=("FileExisting-*",),
)
def executable(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each program, its name being the subject."""
    runtime = known(facts.runtime)
    for program in _wanted(runtime, target).values():
        yield _judge(facts, runtime, program)
    if target.cluster.proxy_mode == "nftables" and runtime.executables.get("nft"):
        yield _nft(facts, runtime)


def _wanted(runtime: Runtime, target: Target) -> dict[str, Program]:
    """What the kubeadm on the node asks for, and what the version to be installed does."""
    own = runtime.kubeadm_version
    kubeadm = parse_version(own) if isinstance(own, str) else None
    return {**(programs(kubeadm) if kubeadm else {}), **programs(target.version)}


def _judge(facts: Facts, runtime: Runtime, program: Program) -> Judgement:
    name, alias = program.name, f"FileExisting-{program.name}"
    path = runtime.executables.get(name)
    if path is None:
        return undetermined("nobody looked for it", subject=name, alias=alias)
    if not path:
        return failed(
            f"{name} is not installed, and {program.why}",
            subject=name,
            remedy=install_packages(facts, program.packages, name),
            severity=ERROR if program.required else WARNING,
            alias=alias,
        )
    directory = os.path.dirname(path)
    # Of root's PATH: any other user's says nothing about the one that kubeadm will have.
    if facts.privileges.uid == 0 and runtime.search_path and directory not in runtime.search_path:
        return warned(
            f"{name} is {path}, and the PATH of root does not name {directory}: kubeadm does not "
            "find it",
            subject=name,
            observed=":".join(runtime.search_path),
            expected=directory,
            remedy=f"export PATH=$PATH:{shlex.quote(directory)}",
            alias=alias,
        )
    return passed(f"{name} is {path}", subject=name, observed=path, alias=alias)


def _nft(facts: Facts, runtime: Runtime) -> Judgement:
    subject, alias = "nft", "FileExisting-nft"
    version = runtime.nft_version
    if isinstance(version, Unknown):
        return undetermined(version.message, subject=subject, alias=alias)
    parts = tuple(int(part) for part in version.split(".") if part.isdecimal())
    wanted = ".".join(map(str, _NFT_MINIMUM))
    if parts >= _NFT_MINIMUM:
        return passed(f"nft is version {version}", subject=subject, observed=version, alias=alias)
    packages = dict.fromkeys(("apt", "dnf", "zypper", "apk", "pacman"), "nftables")
    return warned(
        f"nft is version {version}, and kube-proxy's nftables mode wants {wanted} on the host",
        subject=subject,
        observed=version,
        expected=f">= {wanted}",
        remedy=install_packages(facts, packages, f"nftables {wanted}"),
        alias=alias,
    )

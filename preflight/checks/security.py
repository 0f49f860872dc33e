"""Security modules: known state, and labels that let containers and plugins run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import WARNING, Judgement, check, failed, passed
from preflight.facts.model import Facts, known
from preflight.target import Target

# Types of files that were copied from a home or temporary directory, or never labelled: container
# runtimes may not execute them. Source: https://github.com/containers/container-selinux
_WRONG_TYPES = frozenset(
    {
        "admin_home_t",
        "default_t",
        "tmp_t",
        "unlabeled_t",
        "user_home_t",
        "user_tmp_t",
        "var_t",
    }
)
_PLUGIN_DIRECTORIES = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
# container-selinux labels the runtime's directory; without that package it keeps its parent's.
_RUNTIME_TYPES = {"/var/lib/containerd": "var_lib_t", "/var/lib/containers": "var_lib_t"}


def label_type(context: str) -> str:
    """``system_u:object_r:bin_t:s0`` -> ``bin_t``."""
    parts = context.split(":")
    return parts[2] if len(parts) > 2 else ""


@check(
    "selinux",
    title="SELinux lets plugins and containers run",
    why="An enforcing SELinux refuses to run a CNI plugin that kept the label of the directory it "
    "was copied from, and refuses containers where the policy for them is not installed.",
    source="https://github.com/containers/container-selinux",
    severity=WARNING,
    applies="Not to an external etcd member, whose files need no label of their own.",
)
def selinux(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each path with a wrong label, or one of the state."""
    kernel = known(facts.kernel)
    state = known(kernel.selinux)
    if state != "enforcing" or not scope.is_node(facts, target):
        words = "not in use" if state == "disabled" else state
        yield passed(f"SELinux is {words}", observed=state)
        return
    wrong = [
        (path, label_type(label))
        for path, label in sorted(kernel.selinux_labels.items())
        if path.startswith(_PLUGIN_DIRECTORIES) and label_type(label) in _WRONG_TYPES
    ]
    for path, kind in wrong:
        yield failed(
            f"SELinux enforces, and {path} has the label {kind}, which a runtime may not execute",
            subject=path,
            observed=kind,
            expected="bin_t or container_file_t",
            remedy=f"restorecon -RFv {shlex.quote(path)}",
        )
    unlabelled = [
        path
        for path, parent in _RUNTIME_TYPES.items()
        if label_type(kernel.selinux_labels.get(path, "")) == parent
    ]
    for path in unlabelled:
        yield failed(
            f"SELinux enforces, and {path} has no label for containers",
            subject=path,
            observed="var_lib_t",
            expected="container_var_lib_t",
            remedy=f"dnf install -y container-selinux && restorecon -RF {path}",
        )
    if not wrong and not unlabelled:
        yield passed("SELinux enforces, and the labels are in order", observed=state)


@check(
    "apparmor",
    title="AppArmor profiles can be loaded",
    why="Where AppArmor is on, the runtime loads a profile for every container with "
    "apparmor_parser; without that program containers do not start.",
    source="https://kubernetes.io/docs/tutorials/security/apparmor/",
    severity=WARNING,
    applies="Not to an external etcd member.",
)
def apparmor(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement of the state and of the parser."""
    kernel = known(facts.kernel)
    state = known(kernel.apparmor)
    if state != "enabled" or not scope.is_node(facts, target):
        words = "not in use" if state == "disabled" else state
        yield passed(f"AppArmor is {words}", observed=state)
    elif kernel.apparmor_parser:
        yield passed("AppArmor is enabled, and apparmor_parser is there", observed=state)
    else:
        manager = "zypper install -y apparmor-parser"
        if scope.os_family(facts) in ("debian", "ubuntu"):
            manager = "apt-get install -y apparmor"
        yield failed(
            "AppArmor is enabled, and apparmor_parser is not installed: containers do not start",
            observed="no apparmor_parser",
            expected="apparmor_parser",
            remedy=manager,
        )

"""The kernel modules that a node needs: loaded, built in, or there to be loaded."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import Judgement, check, failed, passed, undetermined
from preflight.facts.model import Facts, known
from preflight.facts.model.kernel import Kernel, Module
from preflight.target import Target
from preflight.versions.modules import LOADED_BY_NOBODY, PROXY_MODULES

# The states in which a module is there or comes when it is needed, in words.
_USABLE = {"loaded": "loaded", "builtin": "built in", "loadable": "loaded on first use"}


@check(
    "kernel-modules",
    fix="kernel-modules",
    title="The kernel modules that runtime, kube-proxy and pod network need",
    why="The runtime stacks image layers with overlay, a bridge needs br_netfilter, kube-proxy and "
    "tunnels have modules of their own. Cloud and minimal kernels leave some out, and a hardened "
    "host may forbid loading. One that is there and not loaded yet is loaded on first use.",
    source="https://kubernetes.io/docs/setup/production-environment/container-runtimes/",
    applies="By the pod network and kube-proxy's mode; not to an external etcd member.",
)
def kernel_modules(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each module that is missing or untold, one for all the others."""
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    kernel = known(facts.kernel)
    usable: dict[str, list[str]] = {}
    for name, user in needed_modules(target).items():
        module = kernel.module(name)
        refusal = _refusal(kernel, module)
        if module.state not in ("absent", *_USABLE):
            yield undetermined(
                f"whether {name} can be loaded cannot be told: {module.evidence}",
                subject=name,
                remedy="start the machine again if its kernel was updated, else run: depmod",
            )
        elif module.state == "absent":
            yield failed(
                f"{name} is not there ({module.evidence}), and {user} needs it",
                subject=name,
                observed="absent",
                expected="loaded, built in or loadable",
                remedy=_install(facts, name),
            )
        elif refusal:
            yield failed(
                f"{name} is not loaded and cannot be: {refusal[0]}; {user} needs it",
                subject=name,
                observed="not loadable",
                expected="loaded, built in or loadable",
                remedy=refusal[1],
            )
        else:
            usable.setdefault(module.state, []).append(name)
    if usable:
        yield passed("; ".join(f"{_USABLE[state]}: {', '.join(usable[state])}" for state in usable))


def needed_modules(target: Target) -> dict[str, str]:
    """Module -> who needs it, for the wanted pod network and proxy mode."""
    profile, mode = scope.pod_network(target)
    needed = {"overlay": "the container runtime", "nf_conntrack": "kube-proxy"}
    if not scope.runs_proxy(target):
        del needed["nf_conntrack"]
    else:
        proxy = target.cluster.proxy_mode
        user = f"kube-proxy in {proxy} mode"
        needed.update(dict.fromkeys(PROXY_MODULES.get(proxy, ()), user))
    if profile.linux_bridge:
        needed["br_netfilter"] = profile.title
    for name in profile.modules_in(mode):
        needed.setdefault(name, profile.title)
    return needed


def _refusal(kernel: Kernel, module: Module) -> tuple[str, str] | None:
    """Why a loadable module cannot be loaded and what lifts that, None where it can."""
    if module.state != "loadable":
        return None
    if kernel.modules_disabled:
        return (
            "kernel.modules_disabled is 1",
            "take kernel.modules_disabled=1 out of sysctl.d, then start the machine again",
        )
    if module.blocked_by:
        return (
            f"an install line in {module.blocked_by} forbids it",
            f"take the install line of {module.name} out of {shlex.quote(module.blocked_by)}",
        )
    # An empty kernel.modprobe stops the kernel from loading what is first used, not modprobe,
    # which containerd's unit runs for overlay.
    by_hand = module.name in (*LOADED_BY_NOBODY, "overlay")
    if not by_hand and kernel.sysctls.get("kernel.modprobe") == "":
        return "kernel.modprobe is empty, so nothing is loaded on first use", (
            f"modprobe {module.name}"
        )
    return None


def _install(facts: Facts, name: str) -> str:
    family = scope.os_family(facts)
    if family == "ubuntu":
        return f"apt-get install -y linux-modules-extra-$(uname -r) && modprobe {name}"
    if family == "rhel":
        return f"dnf install -y kernel-modules-extra-$(uname -r) && modprobe {name}"
    if family == "debian":
        return (
            "start the machine with the kernel that is not the one for clouds, after: "
            "apt-get install -y linux-image-$(dpkg --print-architecture)"
        )
    return f"boot a kernel that has the module {name}"

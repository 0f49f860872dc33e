"""What the run may see, and the system that it sees."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks.registry import (
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    undetermined,
    warned,
)
from preflight.facts.model import Facts, Unknown, known
from preflight.target import Target

INSTALL = "https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/"
# Bits of capabilities(7) that reading rulesets, other namespaces and processes takes.
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}
# What Kubernetes releases node binaries for (https://kubernetes.io/releases/download/#binaries).
ARCHITECTURES = ("x86_64", "aarch64", "ppc64le", "s390x")


@check(
    "root-privileges",
    title="The run may see what it must judge",
    why="kubeadm needs root. Without it, nodeprep cannot read the packet filter, the product UUID "
    "or who holds a port, and says unknown where it does not see.",
    source="https://kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details/",
    aliases=("IsPrivilegedUser",),
)
def root_privileges(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement. Without root it is unknown: the node may be fine all the same."""
    privileges = facts.privileges
    if privileges.uid != 0:
        yield undetermined(
            f"this run has user ID {privileges.uid} and not 0: what only root may read is unknown",
            remedy=f'sudo "$(command -v nodeprep)" check --role {target.role}',
        )
        return
    capabilities = privileges.capabilities
    if isinstance(capabilities, Unknown):
        yield undetermined(
            f"runs as root, but with which capabilities cannot be told: {capabilities.message}"
        )
        return
    missing = [name for name, bit in CAPABILITIES.items() if not capabilities >> bit & 1]
    if missing:
        yield warned(
            f"root, but without {', '.join(missing)}: this looks like a container, and what they "
            "open up is not seen",
            remedy="run nodeprep on the machine itself, or in a privileged container with the "
            "host's network, PID and mount namespaces",
        )
    else:
        yield passed("runs as root with full capabilities")


@check(
    "os-supported",
    title="The operating system is one that Kubernetes is built for",
    why="A node with a control plane runs Linux, on a processor that Kubernetes is released for.",
    source=INSTALL,
    severity=WARNING,
    aliases=("SystemVerification",),
)
def os_supported(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement on kernel name and architecture."""
    system = known(facts.system)
    name = system.os_name or system.os_id or system.kernel_name
    seen = f"{name}, kernel {system.kernel_release}, {system.architecture}"
    if system.kernel_name != "Linux":
        yield failed(
            f"the kernel is {system.kernel_name or 'of no known name'}, not Linux",
            observed=system.kernel_name,
            expected="Linux",
            remedy="install a Linux distribution",
        )
    elif system.architecture not in ARCHITECTURES:
        yield failed(
            f"Kubernetes has no released node binaries for {system.architecture}",
            observed=system.architecture,
            expected=" or ".join(ARCHITECTURES),
            remedy="take a 64-bit machine and system of one of these architectures",
        )
    else:
        kind = {"none": "", "vm-other": ", a virtual machine"}
        inside = kind.get(system.virtualization, f", in {system.virtualization}")
        yield passed(f"{seen}{inside}", observed=seen)


@check(
    "init-system",
    title="systemd runs the services",
    why="kubeadm's kubelet is a systemd unit. Where something else is process 1, nobody starts it "
    "at boot, and what nodeprep writes for the boot is not read.",
    source=INSTALL,
    severity=WARNING,
)
def init_system(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement; says what will not last."""
    system = known(facts.system)
    if system.systemd:
        yield passed("systemd is process 1")
        return
    init = known(system.init)
    kubelet = "the kubelet, " if target.role.runs_kubelet else ""
    yield failed(
        f"process 1 is {init}, not systemd: after a reboot nothing starts {kubelet}the runtime or "
        "the firewall, and nothing reads sysctl.d and modules-load.d, unless the machine's own "
        "start-up does",
        observed=init,
        expected="systemd",
        remedy="boot the machine with systemd, or write start scripts for these yourself",
    )

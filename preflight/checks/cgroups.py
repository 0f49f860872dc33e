"""Control groups: the version, and the controllers that a kubelet needs."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import Judgement, check, failed, passed, warned
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.kernel import Cgroups
from preflight.target import Target
from preflight.versions.kernel import (
    KUBELET_KNOWS_CGROUP_V1_SWITCH,
    KUBELET_REFUSES_CGROUP_V1,
    REQUIRED_CONTROLLERS,
)

_BOOT_ARGUMENT = "systemd.unified_cgroup_hierarchy=1"


@check(
    "cgroup-version",
    title="Control groups are of a version that the kubelet takes",
    why="From 1.35 a kubelet does not start on cgroup v1 unless its failCgroupV1 is false; from "
    "1.31 on v1 gets no new features.",
    source="https://kubernetes.io/docs/concepts/architecture/cgroups/",
    aliases=("SystemVerification",),
    applies="Judged for the kubelet on the node, else for the wanted Kubernetes version; not to an "
    "external etcd member.",
)
def cgroup_version(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement of the version on /sys/fs/cgroup."""
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    cgroups = known(known(facts.kernel).cgroups)
    if cgroups.version == 2:
        yield passed("cgroup v2", observed="v2")
        return
    kubelet = scope.kubelet_version(facts, target)
    refuses = _fail_cgroup_v1(facts, target)
    where = "cgroup v1" + (
        " (v2 is mounted beside it, where a kubelet does not look)" if cgroups.hybrid else ""
    )
    if refuses is None:
        refuses = kubelet.release >= KUBELET_REFUSES_CGROUP_V1
    if refuses:
        yield failed(
            f"the host runs {where}, and kubelet {kubelet} does not start on it",
            observed="v1",
            expected="v2",
            remedy=_remedy(facts),
        )
    elif kubelet.release >= KUBELET_KNOWS_CGROUP_V1_SWITCH:
        yield warned(
            f"the host runs {where}: kubelet {kubelet} still takes it, but from 1.35 it is refused "
            "unless failCgroupV1 is false",
            observed="v1",
            expected="v2",
            remedy=_remedy(facts),
        )
    else:
        yield passed(f"{where}, which kubelet {kubelet} takes", observed="v1")


def _fail_cgroup_v1(facts: Facts, target: Target) -> bool | None:
    """The kubelet's failCgroupV1: as configured, else as found, None for its default."""
    wanted = target.settings.kubelet.fail_cgroup_v1
    if wanted is not None or isinstance(facts.runtime, Unknown):
        return wanted
    kubelet = facts.runtime.kubelet
    return None if kubelet is None or isinstance(kubelet, Unknown) else kubelet.fail_cgroup_v1


def _remedy(facts: Facts) -> str:
    if isinstance(facts.system, Unknown) or not facts.system.systemd:
        return (
            "let the boot mount cgroup2 on /sys/fs/cgroup instead of v1, or set failCgroupV1: "
            "false in the KubeletConfiguration"
        )
    family = scope.os_family(facts)
    if family == "rhel":
        return f"grubby --update-kernel=ALL --args={_BOOT_ARGUMENT} && systemctl reboot"
    if family:
        return (
            f"sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{_BOOT_ARGUMENT} /' /etc/default/grub "
            "&& update-grub && systemctl reboot"
        )
    return f"put {_BOOT_ARGUMENT} on the kernel's command line, then start the machine again"


@check(
    "cgroup-controllers",
    title="The control group controllers that a kubelet needs",
    why="Without memory, cpu, cpuset, pids and freezer a kubelet does not start or cannot limit "
    "pods. Raspberry Pi kernels turn memory off unless their command line says otherwise.",
    source="https://github.com/kubernetes/system-validators/blob/master/validators/cgroup_validator_linux.go",
    aliases=("SystemVerification",),
    applies="Not to an external etcd member.",
)
def cgroup_controllers(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each missing controller, or one for all of them."""
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    cgroups = known(known(facts.kernel).cgroups)
    required = REQUIRED_CONTROLLERS[cgroups.version]
    missing = [name for name in required if name not in cgroups.controllers]
    if not missing:
        yield passed(", ".join(required), observed=" ".join(cgroups.controllers))
    for name in missing:
        yield failed(
            f"the controller {name} is {_why_missing(name, cgroups)}, and a kubelet needs it",
            subject=name,
            observed=" ".join(cgroups.controllers),
            expected=" ".join(required),
            remedy=_turn_on(name, cgroups),
        )


def _why_missing(name: str, cgroups: Cgroups) -> str:
    if name in cgroups.disabled:
        return "turned off on the kernel's command line"
    return "not there" if cgroups.version == 2 else "not mounted below /sys/fs/cgroup"


def _turn_on(name: str, cgroups: Cgroups) -> str:
    if name == "memory":
        return (
            "put cgroup_enable=memory on the kernel's command line (Raspberry Pi: "
            "/boot/firmware/cmdline.txt), take cgroup_disable=memory off it, then start again"
        )
    if name in cgroups.disabled:
        return f"take cgroup_disable={name} off the kernel's command line, then start again"
    if cgroups.version == 2:
        return f"boot a kernel that has the {name} controller for cgroup v2"
    return (
        f"mkdir -p /sys/fs/cgroup/{name} && mount -t cgroup -o {name} cgroup /sys/fs/cgroup/{name}"
    )

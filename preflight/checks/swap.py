"""Swap: off, or tolerated by the kubelet."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import Judgement, check, failed, passed, undetermined, warned
from preflight.facts.model import Facts, Unknown, known
from preflight.target import Target
from preflight.versions.kernel import NO_SWAP_DEFAULT_SINCE

MIB = 1024 * 1024


@check(
    "swap-off",
    fix="swap-off",
    title="Swap is off, or the kubelet tolerates it",
    why="A kubelet with failSwapOn, its default, stops on any active swap, zram included; kubeadm "
    "prints a warning only.",
    source="https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/",
    aliases=("Swap",),
)
def swap_off(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement of all swap areas together."""
    areas = known(known(facts.kernel).swaps)
    if not areas:
        yield passed("no swap is in use", observed="none")
        return
    total_mib = sum(area.size_bytes for area in areas) // MIB
    seen = f"{total_mib} MiB of swap on {', '.join(area.path for area in areas)}"
    if not scope.is_node(facts, target):
        yield warned(
            f"{seen}: an etcd member that is swapped out misses its heartbeats",
            observed=seen,
            expected="none",
            remedy="swapoff -a",
        )
        return
    tolerated = tolerates_swap(facts, target)
    if tolerated is None:
        yield undetermined(
            f"{seen}, and whether the kubelet tolerates it could not be read", remedy="swapoff -a"
        )
    elif tolerated:
        yield _tolerated(facts, target, seen)
    else:
        yield failed(
            f"{seen}: the kubelet does not start while swap is on (its failSwapOn is true)",
            observed=seen,
            expected="none",
            remedy="swapoff -a",
        )


def tolerates_swap(facts: Facts, target: Target) -> bool | None:
    """Whether failSwapOn is false, as configured or as found on the node; None: unreadable."""
    fails = target.settings.kubelet.fail_swap_on
    if fails is None:
        if isinstance(facts.runtime, Unknown) or isinstance(facts.runtime.kubelet, Unknown):
            return None
        kubelet = facts.runtime.kubelet
        fails = None if kubelet is None else kubelet.fail_swap_on
        if fails is None and kubelet is not None and kubelet.config_unknown is not None:
            return None
    return fails is False


def _behavior(facts: Facts, target: Target) -> str:
    """The effective swapBehavior; the default depends on the kubelet's version."""
    behavior = target.settings.kubelet.swap_behavior or ""
    if not behavior and not isinstance(facts.runtime, Unknown):
        kubelet = facts.runtime.kubelet
        if kubelet is not None and not isinstance(kubelet, Unknown):
            behavior = kubelet.swap_behavior
    modern = scope.kubelet_version(facts, target).release >= NO_SWAP_DEFAULT_SINCE
    return behavior or ("NoSwap" if modern else "LimitedSwap")


def _tolerated(facts: Facts, target: Target, seen: str) -> Judgement:
    behavior = _behavior(facts, target)
    modern = scope.kubelet_version(facts, target).release >= NO_SWAP_DEFAULT_SINCE
    cgroups = known(facts.kernel).cgroups
    version1 = not isinstance(cgroups, Unknown) and cgroups.version == 1
    if modern and behavior == "UnlimitedSwap":
        return failed(
            f"{seen}, and swapBehavior UnlimitedSwap is refused by kubelets from 1.30",
            observed=behavior,
            expected="NoSwap or LimitedSwap",
            remedy="set memorySwap.swapBehavior: LimitedSwap in the KubeletConfiguration",
        )
    if modern and behavior == "LimitedSwap" and version1:
        return failed(
            f"{seen}, and swapBehavior LimitedSwap needs cgroup v2, where this host has v1",
            observed="cgroup v1",
            expected="cgroup v2",
            remedy="set memorySwap.swapBehavior: NoSwap in the KubeletConfiguration",
        )
    use = "pods do not use it" if behavior == "NoSwap" else f"swapBehavior is {behavior}"
    return passed(
        f"{seen}, which the kubelet tolerates (failSwapOn is false); {use}", observed=seen
    )

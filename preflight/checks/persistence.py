"""What is true now and must still be true after a reboot."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.boot import PATTERN_CHARACTERS, boot_setting
from preflight.checks.modules import needed_modules
from preflight.checks.registry import WARNING, Judgement, check, failed, passed, skipped
from preflight.checks.remedies import keep_modules, keep_sysctl
from preflight.checks.swap import tolerates_swap
from preflight.checks.sysctls import BRIDGE_KEYS, IPV6_KEYS
from preflight.facts.model import Facts, known
from preflight.facts.model.kernel import Kernel, Setting
from preflight.facts.swap import unit_name
from preflight.target import Target
from preflight.versions.modules import LOADED_BY_NOBODY

_NOBODY = "nothing applies sysctl.d and modules-load.d at boot here: keep the settings where the "
_NOBODY += "machine's image or host is made"


def _wanted(target: Target) -> dict[str, bool]:
    """Key -> whether the kernel starts with 1 where nothing sets it."""
    used = scope.families(target)
    wanted = {"net.ipv4.ip_forward": False} if 4 in used else {}
    if 6 in used:
        wanted.update(dict.fromkeys(IPV6_KEYS, False))
    profile, _ = scope.pod_network(target)
    if profile.linux_bridge:
        # br_netfilter comes up with both at 1 (net/bridge/br_netfilter_hooks.c).
        wanted.update({BRIDGE_KEYS[family]: True for family in used})
    return wanted


@check(
    "persistent-sysctl",
    fix="persistent-sysctl",
    title="Kernel settings are still right after a reboot",
    why="What a sysctl command, a runtime or a CNI plugin set is gone at the next boot unless a "
    "file of sysctl.d says it, and a file that is read later may say the opposite.",
    source="https://www.freedesktop.org/software/systemd/man/latest/sysctl.d.html",
    severity=WARNING,
    applies="Judged for the settings that are right now; not on an external etcd member.",
)
def persistent_sysctl(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each setting that a reboot would lose, or one for all."""
    kernel = known(facts.kernel)
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    if not kernel.boot_applier:
        yield skipped(_NOBODY)
        return
    settings = known(kernel.sysctl_files)
    kept = []
    for key, by_default in _wanted(target).items():
        if kernel.sysctls.get(key) != "1":
            continue
        setting = boot_setting(settings, key)
        if setting is None and not by_default:
            yield failed(
                f"{key} is 1 now, and no file sets it at boot",
                subject=key,
                observed="not set",
                expected="1",
                remedy=keep_sysctl((key, "1")),
            )
        elif setting is not None and setting.value != "1":
            yield failed(
                f"{key} is 1 now, and {setting.path} sets it to {setting.value} at boot",
                subject=key,
                observed=f"{setting.value} ({setting.path})",
                expected="1",
                remedy=_override(setting, key),
            )
        else:
            kept.append(f"{key} by {setting.path if setting else 'default'}")
    if kept:
        yield passed(f"set at boot: {', '.join(kept)}")


def _override(setting: Setting, key: str) -> str:
    if setting.path.startswith("/proc/"):
        return f"take sysctl.{setting.key} off the kernel's command line"
    if any(character in setting.key for character in PATTERN_CHARACTERS):
        # A line that names the key counts more than any pattern.
        return keep_sysctl((key, "1"))
    name = setting.key.replace(".", "[./]")
    path, edit = setting.path, shlex.quote(f"s|^[[:space:]-]*{name}[[:space:]]*=.*|{key} = 1|")
    before = ""
    if not path.startswith("/etc/"):
        # A file of a package: one of the same name below /etc hides it.
        copy = f"/etc/sysctl.d/{path.rpartition('/')[2]}"
        before, path = f"cp {shlex.quote(path)} {shlex.quote(copy)} && ", copy
    return f"{before}sed -i --follow-symlinks {edit} {shlex.quote(path)}"


@check(
    "persistent-modules",
    fix="persistent-modules",
    title="Kernel modules are loaded again after a reboot",
    why="Nothing loads br_netfilter on first use, and without it the net.bridge settings of "
    "sysctl.d have nothing to apply to; the modules of kube-proxy's ipvs mode are alike.",
    source="https://www.freedesktop.org/software/systemd/man/latest/modules-load.d.html",
    severity=WARNING,
    applies="Judged for the modules that are loaded now; not on an external etcd member.",
)
def persistent_modules(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each module that a reboot would lose, or one for all."""
    kernel = known(facts.kernel)
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    if not kernel.boot_applier:
        yield skipped(_NOBODY)
        return
    names = [name for name in needed_modules(target) if name in LOADED_BY_NOBODY]
    loaded = [name for name in names if kernel.module(name).state == "loaded"]
    if not loaded:
        builtin = [name for name in names if kernel.module(name).state == "builtin"]
        if builtin:
            yield passed(f"built into the kernel: {', '.join(builtin)}")
        return
    listed = {setting.key: setting.path for setting in known(kernel.modules_load)}
    kept = []
    for name in loaded:
        judgement = _lost_module(kernel, name, listed)
        if judgement:
            yield judgement
        else:
            kept.append(f"{name} by {listed[name]}")
    if kept:
        yield passed(f"loaded at boot: {', '.join(kept)}")


def _lost_module(kernel: Kernel, name: str, listed: dict[str, str]) -> Judgement | None:
    module = kernel.module(name)
    if name not in listed:
        return failed(
            f"{name} is loaded now, and nothing loads it at boot",
            subject=name,
            observed="not listed",
            expected="listed in modules-load.d",
            remedy=keep_modules(name),
        )
    if barrier := module.denied_by or module.blocked_by:
        return failed(
            f"{name} is loaded now, but {barrier} keeps {listed[name]} from loading it at boot",
            subject=name,
            observed=f"forbidden by {barrier}",
            expected="allowed",
            remedy=f"sed -i {shlex.quote(f'/{name}/s/^/#/')} {shlex.quote(barrier)}",
        )
    return None


@check(
    "persistent-swap",
    fix="persistent-swap",
    title="Swap stays off after a reboot",
    why="swapoff lasts until the next boot: then fstab, a swap unit, a zram generator or a GPT "
    "partition of type swap turns it on again, and the kubelet does not start.",
    source="https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/",
    severity=WARNING,
    applies="Unless the kubelet tolerates swap.",
)
def persistent_swap(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each thing that turns swap on at boot, or one that nothing does."""
    kernel = known(facts.kernel)
    if scope.is_node(facts, target) and tolerates_swap(facts, target):
        yield skipped("the kubelet tolerates swap (failSwapOn is false)")
        return
    settings = known(kernel.boot_swap)
    if not settings:
        yield passed("nothing turns swap on at boot")
    for setting in settings:
        yield failed(
            f"{setting.path} turns {setting.key} on as swap at boot ({setting.value})",
            subject=setting.key,
            observed=setting.path,
            expected="none",
            remedy=_stop_swap(setting),
        )


def _stop_swap(setting: Setting) -> str:
    unit = shlex.quote(setting.path.rpartition("/")[2])
    if setting.value == "service":
        return f"systemctl disable --now {unit}"
    if setting.value == "swap unit":
        return f"systemctl mask --now {unit}"
    if setting.value == "zram":
        # The generator makes the unit at every boot; masked, it is never started.
        return f"systemctl mask {shlex.quote(unit_name(setting.key))}"
    return r"sed -i.bak -E '/^[^#]\S*\s+\S+\s+swap\s/s/^/#/' /etc/fstab"

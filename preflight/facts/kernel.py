"""The kernel: configuration, modules, cgroups, swap, sysctls, limits, security modules: read."""

from __future__ import annotations

import os

from preflight.facts.bootfiles import boot_applier, read_boot_settings
from preflight.facts.cgroups import read_cgroups
from preflight.facts.features import cgroup_bpf, read_features
from preflight.facts.host import Host
from preflight.facts.kconfig import read_config
from preflight.facts.limits import read_open_files_limit
from preflight.facts.lsm import read_apparmor, read_labels, read_selinux
from preflight.facts.model import Known, Unknown
from preflight.facts.model.kernel import Kernel, SwapArea
from preflight.facts.modules import read_modules
from preflight.facts.swap import parse_swaps, read_boot_swap
from preflight.facts.sysctls import read_sysctls, sysctls_writable
from preflight.settings import Settings
from preflight.versions.kernel import OPTIONAL_OPTIONS, required_options
from preflight.versions.modules import MODULES, POD_NETWORK_OPTIONS
from rules.run import find_program

ASKED_OPTIONS = frozenset(
    (
        *required_options(1),
        *required_options(2),
        *OPTIONAL_OPTIONS,
        *(option for option, _ in MODULES.values()),
        *POD_NETWORK_OPTIONS,
    )
)


def collect(host: Host, settings: Settings) -> Kernel:
    """Reads it all from /proc, /sys, /boot and /etc; runs no program and changes nothing."""
    release = os.uname().release
    applier = boot_applier(host)
    config = read_config(host, release, ASKED_OPTIONS)
    cgroups = read_cgroups(host)
    features = read_features(host)
    if isinstance(config, Unknown) and not isinstance(cgroups, Unknown) and cgroups.version == 2:
        answer = cgroup_bpf()
        if answer is not None:
            features["CGROUP_BPF"] = answer
    sysctls, denied = read_sysctls(host)
    sysctl_files, modules_load = read_boot_settings(host, applier)
    selinux = read_selinux(host)
    return Kernel(
        config=config,
        modules=read_modules(host, release, config),
        modules_disabled=sysctls.get("kernel.modules_disabled") == "1",
        cgroups=cgroups,
        swaps=_swaps(host),
        boot_swap=read_boot_swap(host, applier),
        sysctls=sysctls,
        sysctls_denied=denied,
        sysctl_files=sysctl_files,
        modules_load=modules_load,
        open_files_limit=read_open_files_limit(host, applier),
        selinux=selinux,
        apparmor=read_apparmor(host),
        apparmor_parser=find_program("apparmor_parser") is not None,
        sysctls_writable=sysctls_writable(),
        features=features,
        boot_applier=applier,
        selinux_labels={} if selinux == "disabled" else read_labels(host),
    )


def _swaps(host: Host) -> Known[tuple[SwapArea, ...]]:
    text = host.read("/proc/swaps")
    if isinstance(text, Unknown):
        # A kernel that was built without swap has no such file; /proc itself must be there.
        without = text.reason == "absent" and host.exists("/proc/meminfo")
        return () if without else text
    return parse_swaps(text)

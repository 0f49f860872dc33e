"""The kernel: configuration, modules, cgroups, sysctls, limits, security modules."""

from __future__ import annotations

from dataclasses import dataclass

from preflight.facts.model.known import Known


@dataclass(frozen=True)
class KernelConfig:
    """Options of the running kernel's configuration that nodeprep asks about: y, m or n."""

    path: str
    options: dict[str, str]


@dataclass(frozen=True)
class Module:
    """``state``: loaded, builtin, loadable, absent, or unknown (no index to look in).

    ``evidence`` is where that was seen.
    """

    name: str
    state: str
    evidence: str = ""


@dataclass(frozen=True)
class Cgroups:
    """``version`` 1 or 2 is what a kubelet would use; ``hybrid`` has both. ``freezer``: behaviour."""

    version: int
    hybrid: bool
    controllers: tuple[str, ...]


@dataclass(frozen=True)
class SwapArea:
    """A line of /proc/swaps. ``size_bytes`` in bytes; ``type`` partition, file."""

    path: str
    type: str
    size_bytes: int


@dataclass(frozen=True)
class Setting:
    """A line of a configuration directory: the file that says it, the key, the value."""

    path: str
    key: str
    value: str


@dataclass(frozen=True)
class Kernel:
    """``sysctls``: name with dots -> value; a name that the kernel lacks is not in it, one that
    may not be read is in ``sysctls_denied``. ``sysctl_files`` and ``modules_load`` are in the
    order in which systemd applies them at boot (the last one wins). ``boot_swap``: what turns
    swap on at the next boot (fstab lines, swap units, zram generators).
    ``open_files_limit`` is what a service started now would get (soft, hard).
    """

    config: Known[KernelConfig]
    modules: tuple[Module, ...]
    modules_disabled: bool
    cgroups: Known[Cgroups]
    swaps: Known[tuple[SwapArea, ...]]
    boot_swap: Known[tuple[Setting, ...]]
    sysctls: dict[str, str]
    sysctls_denied: tuple[str, ...]
    sysctl_files: Known[tuple[Setting, ...]]
    modules_load: Known[tuple[Setting, ...]]
    open_files_limit: Known[tuple[int, int]]
    selinux: Known[str]
    apparmor: Known[str]
    apparmor_parser: bool

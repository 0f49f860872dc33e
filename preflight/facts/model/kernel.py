"""The kernel: configuration, modules, cgroups, sysctls, limits, security modules."""

from __future__ import annotations

from preflight.facts.model.known import Known, Unknown
from rules.record import field, record


@record
class KernelConfig:
    """Options of the running kernel's configuration that nodeprep asks about: y, m or n."""

    path: str
    options: dict[str, str]


@record
class Module:
    """``state``: loaded, builtin, loadable, absent, or unknown (no index to look in).

    ``evidence`` is where that was seen. ``blocked_by``: the modprobe.d file whose ``install`` line
    keeps it from loading. ``denied_by``: the one whose ``blacklist`` line keeps the system from
    loading it by itself (modules-load.d included).
    """

    name: str
    state: str
    evidence: str = ""
    blocked_by: str = ""
    denied_by: str = ""


@record
class Cgroups:
    """``version`` 1 or 2 is what a kubelet would use; ``hybrid`` has both.

    ``controllers`` are those that it could use; ``disabled`` those that the kernel has and the
    kernel command line turned off. ``freezer`` on v2 is seen by the file cgroup.freeze.
    """

    version: int
    hybrid: bool
    controllers: tuple[str, ...]
    disabled: tuple[str, ...] = ()


@record
class SwapArea:
    """A line of /proc/swaps. ``size_bytes`` in bytes; ``type`` partition, file."""

    path: str
    type: str
    size_bytes: int


@record
class Setting:
    """A line of a configuration directory: the file that says it, the key, the value.

    Of sysctl.d: ``key`` has dots between its parts, a dot inside a part is a slash, patterns are
    kept, and a leading ``-`` without a value takes the key out of patterns.
    """

    path: str
    key: str
    value: str


@record
class Kernel:
    """``sysctls``: name with dots -> value (``net.ipv4.conf.eth0/100.rp_filter`` for a name with
    a dot inside); a name that the kernel lacks is not in it, one that may not be read is in
    ``sysctls_denied``. ``sysctls_writable``: /proc/sys is not mounted read-only.

    ``features``: options whose work was tried: true it is there, false it is not.
    ``boot_applier``: what applies sysctl.d and modules-load.d at boot: systemd, openrc, sysvinit,
    or empty for nothing. ``sysctl_files`` and ``modules_load`` are in the order in which it does
    (the last one wins; the kernel's command line comes first). ``boot_swap``: what turns swap on
    at the next boot (fstab lines, swap units, zram generators).
    ``open_files_limit`` is what a service started now would get (soft, hard); -1 is no limit.
    ``selinux``: enforcing, permissive or disabled; ``selinux_labels``: path -> context.
    ``apparmor``: enabled or disabled.
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
    sysctls_writable: bool = True
    features: dict[str, bool] = field(default_factory=dict)
    boot_applier: str = "systemd"
    selinux_labels: dict[str, str] = field(default_factory=dict)

    def sysctl(self, name: str) -> Known[str | None]:
        """The value now; None where this kernel has no such setting."""
        if name in self.sysctls_denied:
            return Unknown("denied", f"{name} may not be read")
        return self.sysctls.get(name)

    def number(self, name: str) -> Known[int | None]:
        """The value as a whole number; None where this kernel has no such setting."""
        value = self.sysctl(name)
        if value is None or isinstance(value, Unknown):
            return value
        try:
            return int(value)
        except ValueError:
            return Unknown("failed", f"{name} is {value!r}, which is no number")

    def module(self, name: str) -> Module:
        """The module of this name; its state is unknown where nothing was read about it."""
        for module in self.modules:
            if module.name == name:
                return module
        return Module(name, "unknown", "these facts do not tell")

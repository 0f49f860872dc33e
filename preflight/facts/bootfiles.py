"""What is applied at boot: sysctl.d, modules-load.d and the kernel's command line, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.kernel import Setting

# In the order of precedence: a file name in an earlier directory hides the same one in a later.
# Source: https://www.freedesktop.org/software/systemd/man/latest/sysctl.d.html
SYSCTL_DIRECTORIES = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
# Source: https://www.freedesktop.org/software/systemd/man/latest/modules-load.d.html
MODULE_DIRECTORIES = (
    "/etc/modules-load.d",
    "/run/modules-load.d",
    "/usr/local/lib/modules-load.d",
    "/usr/lib/modules-load.d",
    "/lib/modules-load.d",
)
CMDLINE = "/proc/cmdline"


def boot_applier(host: Host) -> str:
    """systemd, openrc, sysvinit, or empty: nothing here reads these directories at boot."""
    if host.exists("/run/systemd/system"):
        return "systemd"
    if host.exists("/run/openrc"):
        return "openrc"
    name = host.read("/proc/1/comm")
    # Debian's sysvinit runs /etc/init.d/procps and /etc/init.d/kmod; a container's process 1 may
    # be called init too, and has no inittab.
    if not isinstance(name, Unknown) and name.strip() == "init" and host.exists("/etc/inittab"):
        return "sysvinit"
    return ""


def dropins(host: Host, directories: Iterable[str], suffix: str = ".conf") -> tuple[str, ...]:
    """The ``*.conf`` files of drop-in directories, in the order in which they are read."""
    first: dict[str, str] = {}
    for directory in directories:
        names = host.listdir(directory)
        for name in () if isinstance(names, Unknown) else names:
            if name.endswith(suffix):
                first.setdefault(name, f"{directory}/{name}")
    return tuple(first[name] for name in sorted(first))


def normal_key(text: str) -> str:
    """``net/ipv4/conf/eth0.100/x`` and ``net.ipv4.conf.eth0/100.x`` -> the second form.

    The first separator decides which one it is.
    """
    slash, dot = text.find("/"), text.find(".")
    if slash == -1 or (dot != -1 and dot < slash):
        return text
    return text.translate({ord("/"): ".", ord("."): "/"})


def parse_sysctl(path: str, text: str) -> tuple[Setting, ...]:
    """A sysctl.d file. A leading ``-`` means no complaint; without a value: not by patterns."""
    settings = []
    for line in text.split("\n"):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        name, assigned, value = line.partition("=")
        name = name.strip()
        if assigned:
            settings.append(Setting(path, normal_key(name.lstrip("-").strip()), value.strip()))
        elif name.startswith("-"):
            settings.append(Setting(path, f"-{normal_key(name[1:].strip())}", ""))
    return tuple(settings)


def parse_modules_load(path: str, text: str) -> tuple[Setting, ...]:
    """A modules-load.d file or /etc/modules: a name in each line, options after it aside."""
    return tuple(
        Setting(path, words[0].replace("-", "_"), "")
        for line in text.splitlines()
        if (words := line.split()) and words[0][0] not in "#;"
    )


def parse_cmdline(text: str) -> tuple[tuple[Setting, ...], tuple[Setting, ...]]:
    """The kernel's command line -> its ``sysctl.`` settings, its ``modules-load=`` names."""
    sysctls, modules = [], []
    for word in text.split():
        name, assigned, value = word.partition("=")
        if assigned and name.startswith("sysctl."):
            sysctls.append(Setting(CMDLINE, normal_key(name[len("sysctl.") :]), value))
        elif name in ("modules-load", "modules_load"):
            modules += [
                Setting(CMDLINE, each.replace("-", "_"), "") for each in value.split(",") if each
            ]
    return tuple(sysctls), tuple(modules)


def read_boot_settings(
    host: Host, applier: str
) -> tuple[Known[tuple[Setting, ...]], Known[tuple[Setting, ...]]]:
    """The sysctls and the modules of the next boot, the last of a key wins.

    A file that may not be read could say anything: then the answer is its Unknown.
    """
    if not applier:
        nothing = Unknown("absent", "nothing here applies sysctl.d and modules-load.d at boot")
        return nothing, nothing
    line = host.read(CMDLINE)
    sysctls, modules = ((), ()) if isinstance(line, Unknown) else parse_cmdline(line)
    files = list(dropins(host, SYSCTL_DIRECTORIES))
    if applier != "systemd":
        # `sysctl --system` reads it last; systemd only where 99-sysctl.conf links to it.
        files.append("/etc/sysctl.conf")
    ufw = host.read_optional("/etc/ufw/ufw.conf")
    if isinstance(ufw, str) and "ENABLED=yes" in ufw.replace('"', ""):
        # ufw applies its own file when it starts, after sysctl.d.
        files.append("/etc/ufw/sysctl.conf")
    lists = list(dropins(host, MODULE_DIRECTORIES))
    if applier != "systemd":
        lists.append("/etc/modules")
    return _parse_all(host, files, parse_sysctl, sysctls), _parse_all(
        host, lists, parse_modules_load, modules
    )


def _parse_all(
    host: Host,
    paths: Iterable[str],
    parse: Callable[[str, str], tuple[Setting, ...]],
    before: tuple[Setting, ...],
) -> Known[tuple[Setting, ...]]:
    found = before
    for path in paths:
        text = host.read_optional(path)
        if isinstance(text, Unknown):
            return text
        found += parse(path, text or "")
    return found

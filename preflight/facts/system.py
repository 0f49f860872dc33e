"""The operating system: what it is, what runs it, what it runs in."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.identity import System
from preflight.settings import Settings

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# scheme://user:password@host, and user:password@host as some programs take it.
_USER_INFO = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)?[^/]*@")
# The kernel's first PID namespace (include/linux/proc_ns.h): no container has it. An image that was
# made by Docker and boots as a machine still has /.dockerenv.
FIRST_PID_NAMESPACE = "pid:[4026531836]"
# The first processor's block is enough; the file has one for each and is slow to make.
CPUINFO_BYTES = 4096
# Random, made anew at each boot (random(4)).
BOOT_ID = "/proc/sys/kernel/random/boot_id"
# What the firmware calls the machine -> systemd-detect-virt's word for it.
_VENDORS = (
    ("Amazon EC2", "amazon"),
    ("Google Compute Engine", "google"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("KVM", "kvm"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Parallels", "parallels"),
    ("Apple Virtualization", "apple"),
    ("Virtual Machine", "microsoft"),
    ("Xen", "xen"),
    ("BHYVE", "bhyve"),
)


def parse_os_release(text: str) -> dict[str, str]:
    """os-release(5): NAME=value lines, values plain or quoted as in a shell."""
    values = {}
    for line in text.splitlines():
        key, sign, value = line.strip().partition("=")
        if not sign or key.startswith("#"):
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        values[key] = re.sub(r"\\([\"'$`\\])", r"\1", value)
    return values


def proxy_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxy variables under their names as found, without user names and passwords."""
    found = {}
    for name, value in environment.items():
        if name.lower() in PROXY_VARIABLES and value:
            secret = name.lower() != "no_proxy"
            found[name] = _USER_INFO.sub(r"\1", value) if secret else value
    return found


def detect_container(
    markers: Mapping[str, str], kernel_release: str, pid_namespace: str = ""
) -> str:
    """``markers``: file -> content of those that are there. The container's kind, or empty."""
    if "microsoft" in kernel_release.lower():
        return "wsl"
    if pid_namespace == FIRST_PID_NAMESPACE:
        return ""
    if manager := markers.get("/run/systemd/container", "").strip():
        return manager
    if "/run/.containerenv" in markers:
        return "podman"
    if "/.dockerenv" in markers:
        return "docker"
    environment = markers.get("/proc/1/environ", "").split("\0")
    for variable in environment:
        if variable.startswith("container="):
            return variable.split("=", 1)[1] or "container"
    return ""


def detect_machine(dmi: tuple[str, ...], cpuinfo: str, hypervisor_type: str) -> str:
    """The hypervisor by firmware strings, by Xen's file, by the processor's flag; or ``none``."""
    for word, name in _VENDORS:
        if any(word in text for text in dmi):
            return name
    if hypervisor_type:
        return hypervisor_type
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return "vm-other" if flags and "hypervisor" in flags.group(1).split() else "none"


def collect(host: Host, settings: Settings) -> System:
    """Reads it all; no program is started."""
    kernel = os.uname()
    release: dict[str, str] = {}
    for path in OS_RELEASE:
        text = host.read(path)
        if isinstance(text, str):
            release = parse_os_release(text)
            break
    init, boot_id = host.read("/proc/1/comm"), host.read(BOOT_ID)
    return System(
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        os_name=release.get("PRETTY_NAME") or release.get("NAME", ""),
        kernel_name=kernel.sysname,
        kernel_release=kernel.release,
        architecture=kernel.machine,
        init=init.strip() if isinstance(init, str) else init,
        # sd_booted(3): the directory is there exactly where systemd is process 1.
        systemd=os.path.isdir("/run/systemd/system"),
        virtualization=_detect(host, kernel.release),
        boot_time=_boot_time(),
        environment=proxy_environment(os.environ),
        boot_id=boot_id if isinstance(boot_id, Unknown) else boot_id.strip(),
        utc_offset_minutes=time.localtime().tm_gmtoff // 60,
    )


def _boot_time() -> Known[float]:
    try:
        since_boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError) as error:
        return Unknown("failed", f"the kernel does not tell how long it runs: {error}")
    return round(time.time() - since_boot_s, 0)


def _detect(host: Host, kernel_release: str) -> str:
    paths = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv", "/proc/1/environ")
    texts = {path: host.read(path) for path in paths}
    markers = {path: text for path, text in texts.items() if isinstance(text, str)}
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    if container := detect_container(markers, kernel_release, namespace):
        return container
    fields = ("sys_vendor", "product_name", "board_vendor", "bios_vendor")
    dmi = tuple(_text(host, f"/sys/class/dmi/id/{field}") for field in fields)
    cpuinfo = host.read("/proc/cpuinfo", CPUINFO_BYTES)
    return detect_machine(
        dmi, cpuinfo if isinstance(cpuinfo, str) else "", _text(host, "/sys/hypervisor/type")
    )


def _text(host: Host, path: str) -> str:
    text = host.read(path)
    return text.strip() if isinstance(text, str) else ""

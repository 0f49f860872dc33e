"""Who the machine is, and what runs it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from preflight.facts.model.known import Known


@dataclass(frozen=True)
class Privileges:
    """What this run may see. ``capabilities`` is the effective set of /proc/self/status (bits)."""

    uid: int
    capabilities: int


@dataclass(frozen=True)
class HostEntry:
    """One line of /etc/hosts."""

    address: IPv4Address | IPv6Address
    names: tuple[str, ...]


@dataclass(frozen=True)
class NameLookup:
    """What the system's resolver answers for a name. No address and ``error`` set: not found."""

    name: str
    addresses: tuple[IPv4Address | IPv6Address, ...]
    error: str = ""


@dataclass(frozen=True)
class HostKey:
    """An SSH host key: ``fingerprint`` as ``ssh-keygen -l`` prints it, ``SHA256:...``."""

    path: str
    type: str
    fingerprint: str


@dataclass(frozen=True)
class Identity:
    """Names and identifiers. ``etc_hostname`` is None where the file is not there.

    ``cloud_hostname``: the name that cloud-init will set at the next boot, None if it keeps the
    present one (no cloud-init, or ``preserve_hostname``).
    """

    hostname: str
    etc_hostname: Known[str | None]
    cloud_hostname: Known[str | None]
    hosts: Known[tuple[HostEntry, ...]]
    hostname_lookup: Known[NameLookup]
    localhost_lookup: Known[NameLookup]
    machine_id: Known[str | None]
    product_uuid: Known[str]
    dmi: dict[str, str]
    cloud_instance_id: Known[str | None]
    ssh_host_keys: Known[tuple[HostKey, ...]]


@dataclass(frozen=True)
class System:
    """The operating system. ``init`` is the name of process 1; ``systemd`` is whether it runs.

    ``architecture`` as uname gives it (``x86_64``, ``aarch64``). ``environment`` holds the proxy
    variables only, passwords removed, under their names as found.
    """

    os_id: str
    os_version: str
    os_name: str
    kernel_name: str
    kernel_release: str
    architecture: str
    init: Known[str]
    systemd: bool
    virtualization: str
    boot_time: Known[float]
    environment: dict[str, str]

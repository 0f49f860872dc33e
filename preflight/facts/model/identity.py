"""Who the machine is, and what runs it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from preflight.facts.model.known import Known, Unknown
from rules.record import record


@record
class Privileges:
    """What this run may see. ``capabilities`` is the effective set of /proc/self/status (bits)."""

    uid: int
    capabilities: Known[int]


@record
class HostEntry:
    """One line of /etc/hosts."""

    address: IPv4Address | IPv6Address
    names: tuple[str, ...]


@record
class NameLookup:
    """What is answered for a name. No address and ``error`` set: it is not found, and why.

    ``source``: ``/etc/hosts``, ``name service`` (whatever nsswitch.conf names), ``name server``
    (DNS alone), or ``built in`` (localhost, which systemd's resolver makes up by itself).
    """

    name: str
    addresses: tuple[IPv4Address | IPv6Address, ...]
    error: str = ""
    source: str = ""


@record
class HostKey:
    """An SSH host key: ``fingerprint`` as ``ssh-keygen -l`` prints it, ``SHA256:...``."""

    path: str
    type: str
    fingerprint: str


@record
class Identity:
    """Names and identifiers. ``etc_hostname`` is None where the file is not there.

    ``hosts``: the entries of /etc/hosts that name this node, localhost, the API endpoint or a
    node of the cluster. ``hostname_lookup`` is for the node's name as the kubelet will use it,
    ``name_server_lookup`` for what name servers say when /etc/hosts is left out; both are
    not-asked with ``--offline`` where a packet would be needed.
    ``cloud_hostname``: the name that cloud-init will set at the next boot, None if it keeps the
    present one (no cloud-init, ``preserve_hostname``, or a name that was changed by hand).
    ``machine_id`` and ``dbus_machine_id`` are None where the file is not there;
    ``machine_id_transient``: it was made at boot and is in memory only.
    ``dmi``: what the firmware says about the machine, by file name in /sys/class/dmi/id; empty
    where there is no DMI.
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
    name_server_lookup: Known[NameLookup] = Unknown("not-asked", "no name server was asked")
    dbus_machine_id: Known[str | None] = None
    machine_id_transient: bool = False


@record
class System:
    """The operating system. ``init`` is the name of process 1; ``systemd`` is whether it runs.

    ``architecture`` as uname gives it (``x86_64``, ``aarch64``). ``virtualization``: a container
    (docker, podman, lxc, ...), ``wsl``, a hypervisor (kvm, vmware, ...), or ``none``.
    ``environment`` holds the proxy variables only, passwords removed, under their names as found.
    ``boot_time`` in seconds since 1970. ``boot_id``: the kernel's random name of this boot.
    ``utc_offset_minutes``: how far local time is ahead of UTC now.
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
    boot_id: Known[str] = Unknown("absent", "these facts do not hold it")
    utc_offset_minutes: Known[int] = Unknown("absent", "these facts do not hold it")

"""Who the machine is: names, identifiers, keys."""

from __future__ import annotations

import os
from collections.abc import Callable

from preflight.facts.cloudinit import collect_cloud_hostname, collect_instance_id
from preflight.facts.host import Host
from preflight.facts.hostkeys import collect_host_keys
from preflight.facts.lookup import (
    NAME_SERVER,
    ask_name_servers,
    ask_name_service,
    find_in_hosts,
    find_localhost,
    parse_hosts,
    start_lookup,
)
from preflight.facts.model import Known, Unknown
from preflight.facts.model.identity import HostEntry, Identity, NameLookup
from preflight.facts.model.network import ResolvConf
from preflight.facts.names import RESOLV_CONF, read_resolv_conf
from preflight.settings import Settings

# A black-list of /etc/hosts grows to several megabytes.
HOSTS_LIMIT_BYTES = 16 * 1024 * 1024
DMI_DIRECTORY = "/sys/class/dmi/id"
# The last three tell clones apart where the UUID does not; they are for root only.
DMI_FIELDS = (
    "sys_vendor",
    "product_name",
    "product_version",
    "board_vendor",
    "board_name",
    "bios_vendor",
    "bios_version",
    "product_serial",
    "board_serial",
    "chassis_serial",
)
# Where the kubelet (cadvisor) looks next: PowerPC has a device tree and no DMI.
DEVICE_TREE_IDS = ("/proc/device-tree/system-id", "/proc/device-tree/vm,uuid")


def effective_node_name(settings: Settings, hostname: str) -> str:
    """The name that the node will have: the configured one, else the host's, both in lower case.

    kubeadm and the kubelet trim and lower-case it (k8s.io/component-helpers/node/util/hostname.go).
    """
    return (settings.node_name or hostname).strip().lower()


def parse_etc_hostname(text: str) -> str:
    """hostname(5): the first line that is not empty and not a comment."""
    for line in text.splitlines():
        name = line.strip()
        if name and not name.startswith("#"):
            return name
    return ""


def collect(host: Host, settings: Settings) -> Identity:
    """Reads it all. Only name lookups send packets, none with ``host.offline``."""
    hostname = os.uname().nodename
    name = effective_node_name(settings, hostname)
    resolv_conf = read_resolv_conf(host, RESOLV_CONF)
    entries = _read_hosts(host, settings, (hostname, name, "localhost"))
    lookup = _start_hostname_lookup(host, name, entries)
    servers = _start_server_lookup(host, name, resolv_conf)
    text = host.read_optional("/etc/hostname")
    etc_hostname = parse_etc_hostname(text) if isinstance(text, str) else text
    dmi = _read_dmi(host)
    nsswitch = host.read("/etc/nsswitch.conf")
    machine_id = _read_id(host, "/etc/machine-id")
    return Identity(
        hostname=hostname,
        etc_hostname=etc_hostname,
        cloud_hostname=collect_cloud_hostname(host, etc_hostname),
        hosts=entries,
        localhost_lookup=entries
        if isinstance(entries, Unknown)
        else find_localhost(entries, nsswitch if isinstance(nsswitch, str) else "", resolv_conf),
        machine_id=machine_id,
        product_uuid=_read_product_uuid(host, dmi),
        dmi=dmi,
        cloud_instance_id=collect_instance_id(host),
        ssh_host_keys=collect_host_keys(host),
        dbus_machine_id=_read_id(host, "/var/lib/dbus/machine-id"),
        machine_id_transient=_is_transient(host, machine_id),
        hostname_lookup=lookup(),
        name_server_lookup=servers(),
    )


def _read_hosts(
    host: Host, settings: Settings, names: tuple[str, ...]
) -> Known[tuple[HostEntry, ...]]:
    cluster = settings.cluster
    endpoint = cluster.control_plane_endpoint.rsplit(":", 1)[0]
    wanted = {*names, endpoint, *(node.name for node in cluster.nodes)}
    text = host.read("/etc/hosts", HOSTS_LIMIT_BYTES)
    if isinstance(text, Unknown):
        return () if text.reason == "absent" else text
    return parse_hosts(text, wanted)


def _start_hostname_lookup(
    host: Host, name: str, entries: Known[tuple[HostEntry, ...]]
) -> Callable[[], Known[NameLookup]]:
    found = None if isinstance(entries, Unknown) else find_in_hosts(entries, name)
    if found is not None:
        return lambda: found
    if not name:
        return lambda: Unknown("failed", "this machine has no name to look up")
    if host.offline:
        message = f"{name} is not in /etc/hosts, and --offline asks no name server"
        return lambda: Unknown("not-asked", message)
    return start_lookup(lambda: ask_name_service(name))


def _start_server_lookup(
    host: Host, name: str, resolv_conf: Known[ResolvConf]
) -> Callable[[], Known[NameLookup]]:
    if host.offline or not name:
        return lambda: Unknown("not-asked", "no name server is asked with --offline")
    search: tuple[str, ...] = ()
    if isinstance(resolv_conf, ResolvConf):
        search = resolv_conf.search
        if not resolv_conf.nameservers:
            return lambda: NameLookup(name, (), "no name server is configured", NAME_SERVER)
    unlikely = f"nodeprep-{os.urandom(6).hex()}"
    return start_lookup(lambda: ask_name_servers(name, search, unlikely))


def _read_id(host: Host, path: str) -> Known[str | None]:
    text = host.read_optional(path)
    return text.strip() if isinstance(text, str) else text


def _is_transient(host: Host, machine_id: Known[str | None]) -> bool:
    """Whether systemd lays the ID of this boot over a file that it could not write."""
    if not machine_id or isinstance(machine_id, Unknown):
        return False
    return _read_id(host, "/run/machine-id") == machine_id


def _read_dmi(host: Host) -> dict[str, str]:
    names = host.listdir(DMI_DIRECTORY)
    if isinstance(names, Unknown):
        return {}
    texts = {name: host.read(f"{DMI_DIRECTORY}/{name}") for name in DMI_FIELDS if name in names}
    return {name: text.strip() for name, text in texts.items() if isinstance(text, str)}


def _read_product_uuid(host: Host, dmi: dict[str, str]) -> Known[str]:
    uuid = host.read(f"{DMI_DIRECTORY}/product_uuid")
    if isinstance(uuid, str):
        return uuid.strip()
    if uuid.reason == "absent":
        for path in DEVICE_TREE_IDS:
            text = host.read(path)
            if isinstance(text, str):
                return text.strip("\0 \n")
        if not dmi:
            return Unknown("absent", "the firmware of this machine has no DMI table")
    return uuid

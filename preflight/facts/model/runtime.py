"""The container runtime, the kubelet, and what earlier clusters left."""

from __future__ import annotations

from preflight.facts.model.known import Known, Unknown
from rules.record import record


def socket_path(endpoint: str) -> str:
    """``unix:///run/x.sock`` -> ``/run/x.sock``; a path stays, and so does another scheme."""
    path = endpoint.strip()
    path = path.removeprefix("unix://").removeprefix("unix:")
    return "/run/" + path.removeprefix("/var/run/") if path.startswith("/var/run/") else path


@record
class CriServer:
    """A CRI socket and what answered.

    ``api`` as the runtime names it (``v1``), empty when nothing answered; ``error`` then says why
    and ``reason`` is one word for it: ``absent``, ``refused`` (nobody listens), ``denied``,
    ``timeout``, ``unimplemented`` (it answers, without CRI) or ``protocol`` (it is no gRPC server).
    ``cgroup_driver`` is what RuntimeConfig told: systemd, cgroupfs, or empty where the runtime does
    not know that call. ``configured_driver``, ``plugin_dirs`` and ``conf_dir`` are what the running
    server says of its own configuration, empty where it says nothing.
    """

    socket: str
    name: str = ""
    version: str = ""
    api: str = ""
    cgroup_driver: str = ""
    ready: bool | None = None
    network_ready: bool | None = None
    network_message: str = ""
    error: str = ""
    reason: str = ""
    ready_message: str = ""
    configured_driver: str = ""
    plugin_dirs: tuple[str, ...] = ()
    conf_dir: str = ""


@record
class RuntimeConfig:
    """The runtime's own configuration, defaults filled in. ``runtime``: containerd or crio.

    ``path`` is its main file, empty where there is none and the defaults hold; ``layout`` is the
    file's version (containerd 1 to 4, else 0). ``cri_disabled`` with ``disabled_at``, the
    ``file:line`` that says so. ``driver_at`` is the file that decides about the cgroup driver.
    ``error``: the files cannot be used, and why; then the other fields are not to be trusted.
    """

    runtime: str
    path: str
    cgroup_driver: str
    plugin_dirs: tuple[str, ...]
    conf_dir: str
    cri_disabled: bool = False
    max_conf_num: int = 1
    default_network: str = ""
    socket: str = ""
    layout: int = 0
    disabled_at: str = ""
    driver_at: str = ""
    error: str = ""


@record
class Kubelet:
    """The kubelet on the node. ``unit`` is the systemd unit's state (``enabled``, ``disabled``,
    ``masked``, ``not-found``); the other fields are its effective settings (flags beat drop-ins
    beat file). ``version`` is empty where the program did not tell; ``version_unknown`` says why.
    ``config_unknown``: a file of its settings is there and cannot be read, and why.
    """

    path: str
    version: str
    unit: Known[str]
    active: Known[bool]
    cgroup_driver: str = ""
    fail_swap_on: bool | None = None
    swap_behavior: str = ""
    resolv_conf: str | None = None
    fail_cgroup_v1: bool | None = None
    config_path: str = ""
    version_unknown: Unknown | None = None
    config_unknown: Unknown | None = None


@record
class Process:
    """A process that competes with a node's components. ``name`` as in /proc/PID/comm.

    ``own_network``: whether it is in the host's network namespace, None where that may not be read.
    """

    pid: int
    name: str
    command: str
    unit: str = ""
    own_network: bool | None = None


@record
class EtcdMember:
    """What an external etcd endpoint answered to /version. ``reason`` is a word of ``Unknown``."""

    endpoint: str
    version: str = ""
    error: str = ""
    reason: str = ""


@record
class EtcdFile:
    """A certificate or key of the external etcd: ``problem`` is empty where it can be read, else
    ``absent``, ``denied`` or ``failed``."""

    path: str
    problem: str = ""


@record
class Runtime:
    """``executables`` maps a program's name to its path, empty where it is not in PATH.

    ``leftovers`` are the existing paths below /etc/kubernetes and of the kubelet that kubeadm
    refuses, ``leftovers_denied`` those that may not be looked at; ``etcd_entries`` what is in
    etcd's data directory, None if it is not there. ``search_path`` is the PATH of this run.
    ``nft_version`` is only asked where kube-proxy is to use nftables.
    """

    cri_servers: Known[tuple[CriServer, ...]]
    runtime_configs: Known[tuple[RuntimeConfig, ...]]
    kubelet: Known[Kubelet | None]
    kubeadm_version: Known[str | None]
    executables: dict[str, str]
    leftovers: Known[tuple[str, ...]]
    etcd_directory: str
    etcd_entries: Known[tuple[str, ...] | None]
    external_etcd: Known[tuple[EtcdMember, ...]]
    processes: Known[tuple[Process, ...]]
    leftovers_denied: tuple[str, ...] = ()
    search_path: tuple[str, ...] = ()
    nft_version: Known[str] = Unknown("not-asked", "kube-proxy does not use nftables")
    etcd_files: tuple[EtcdFile, ...] = ()

"""The container runtime, the kubelet, and what earlier clusters left."""

from __future__ import annotations

from dataclasses import dataclass

from preflight.facts.model.known import Known


@dataclass(frozen=True)
class CriServer:
    """A CRI socket and what answered. ``api`` as the runtime names it (``v1``), empty when
    nothing answered; ``error`` then says why. ``cgroup_driver`` is what RuntimeConfig told:
    systemd, cgroupfs, or empty where the runtime does not know that call.
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


@dataclass(frozen=True)
class RuntimeConfig:
    """The runtime's own configuration, defaults filled in. ``runtime``: containerd or crio."""

    runtime: str
    path: str
    cgroup_driver: str
    plugin_dirs: tuple[str, ...]
    conf_dir: str
    cri_disabled: bool = False
    max_conf_num: int = 1
    default_network: str = ""


@dataclass(frozen=True)
class Kubelet:
    """The kubelet on the node. ``unit`` is the systemd unit's state (``enabled``, ``disabled``,
    ``not-found``); the other fields are its effective settings (flags beat drop-ins beat file)."""

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


@dataclass(frozen=True)
class Process:
    """A process that competes with a node's components."""

    pid: int
    name: str
    command: str
    unit: str = ""


@dataclass(frozen=True)
class EtcdMember:
    """What an external etcd endpoint answered to /version."""

    endpoint: str
    version: str = ""
    error: str = ""


@dataclass(frozen=True)
class Runtime:
    """``executables`` maps a program's name to its path, empty where it is not in PATH.

    ``leftovers`` are the existing paths below /etc/kubernetes and of the kubelet that kubeadm
    refuses; ``etcd_entries`` what is in etcd's data directory, None if it is not there.
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

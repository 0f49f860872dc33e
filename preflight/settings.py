"""What this node and its cluster are to be, as files and flags say it. Pure values."""

from __future__ import annotations

from rules.cluster import Cluster, IPAddress
from rules.record import field, record
from rules.version import Version


@record
class KubeletSettings:
    """KubeletConfiguration, as far as a check depends on it. None: not said, the default holds."""

    cgroup_driver: str | None = None
    fail_swap_on: bool | None = None
    swap_behavior: str | None = None
    resolv_conf: str | None = None
    fail_cgroup_v1: bool | None = None
    max_pods: int = 110


@record
class EtcdSettings:
    """``endpoints`` (URLs) only for an external etcd; paths of its certificates, empty: none."""

    data_dir: str = "/var/lib/etcd"
    endpoints: tuple[str, ...] = ()
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@record
class Settings:
    """The whole configuration of one run.

    ``node_ips`` and ``advertise_address`` may be unspecified (0.0.0.0, ::), which means: choose one
    of this family. ``version_given`` is None where nothing named a Kubernetes version: then the one
    on the node counts, else the newest. ``node_subnet_bits`` is the pod range that each node gets,
    by family. ``sources`` names the files that were read, ``warnings`` what is odd in them, a line
    each.
    """

    cluster: Cluster = field(default_factory=Cluster)
    version_given: Version | None = None
    node_name: str = ""
    node_ips: tuple[IPAddress, ...] = ()
    advertise_address: IPAddress | None = None
    cri_socket: str = ""
    certificates_dir: str = "/etc/kubernetes/pki"
    kubelet: KubeletSettings = field(default_factory=KubeletSettings)
    etcd: EtcdSettings = field(default_factory=EtcdSettings)
    proxy_disabled: bool = False
    node_subnet_bits: tuple[int, int] = (24, 64)
    bind_addresses: tuple[tuple[str, IPAddress], ...] = ()
    ignore: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

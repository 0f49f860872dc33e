"""Healthy runtime facts: containerd 2.3 on Debian 12, kubelet and kubeadm 1.37 from pkgs.k8s.io."""

from __future__ import annotations

from preflight.facts.model.runtime import CriServer, Kubelet, Runtime, RuntimeConfig

SOCKET = "/run/containerd/containerd.sock"
PROGRAMS = {
    "conntrack": "/usr/sbin/conntrack",
    "crictl": "/usr/bin/crictl",
    "ip": "/usr/sbin/ip",
    "iptables": "/usr/sbin/iptables",
    "nsenter": "/usr/bin/nsenter",
    "ethtool": "/usr/sbin/ethtool",
    "tc": "/usr/sbin/tc",
    "touch": "/usr/bin/touch",
    "socat": "/usr/bin/socat",
    "ebtables": "/usr/sbin/ebtables",
    "mount": "/usr/bin/mount",
    "losetup": "/usr/sbin/losetup",
    "cp": "/usr/bin/cp",
    "getent": "/usr/bin/getent",
    "containerd": "/usr/bin/containerd",
    "crio": "",
    "dockerd": "",
    "cri-dockerd": "",
    "kubeadm": "/usr/bin/kubeadm",
    "kubelet": "/usr/bin/kubelet",
    "nft": "/usr/sbin/nft",
}


def server() -> CriServer:
    """containerd 2.3, which is on every list up to 1.37's."""
    return CriServer(
        SOCKET,
        name="containerd",
        version="v2.3.1",
        api="v1",
        cgroup_driver="systemd",
        ready=True,
        network_ready=False,
        network_message="NetworkPluginNotReady cni plugin not initialized",
        configured_driver="systemd",
        plugin_dirs=("/opt/cni/bin",),
        conf_dir="/etc/cni/net.d",
    )


def config() -> RuntimeConfig:
    """`containerd config default` with SystemdCgroup switched on."""
    return RuntimeConfig(
        "containerd",
        "/etc/containerd/config.toml",
        "systemd",
        ("/opt/cni/bin",),
        "/etc/cni/net.d",
        socket=SOCKET,
        layout=3,
        driver_at="/etc/containerd/config.toml",
    )


def kubelet() -> Kubelet:
    """Installed and enabled; it starts over and over until kubeadm configures it."""
    return Kubelet("/usr/bin/kubelet", "v1.37.0", "enabled", False)


def healthy() -> Runtime:
    """Before `kubeadm init`: nothing is left of anything."""
    return Runtime(
        cri_servers=(server(),),
        runtime_configs=(config(),),
        kubelet=kubelet(),
        kubeadm_version="v1.37.0",
        executables=dict(PROGRAMS),
        leftovers=(),
        etcd_directory="/var/lib/etcd",
        etcd_entries=None,
        external_etcd=(),
        processes=(),
        search_path=("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
    )

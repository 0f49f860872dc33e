"""Healthy ports facts: sshd, chrony and a local resolver listen, nothing of Kubernetes yet."""

from __future__ import annotations

from ipaddress import ip_address

from preflight.facts.model.ports import BindProbe, Listener, Ports
from preflight.facts.ports import bound_ports
from preflight.settings import Settings


def listener(
    place: str,
    pid: int | None = 900,
    process: str = "",
    unit: str = "",
    *,
    protocol: str = "tcp",
    dual: bool = False,
    kernel: bool = False,
) -> Listener:
    """``place`` is ``0.0.0.0:22`` or ``[::]:22``."""
    address, _, port = place.rpartition(":")
    return Listener(
        protocol,
        ip_address(address.strip("[]")),
        int(port),
        pid,
        process,
        unit,
        dual=dual,
        kernel=kernel,
    )


LISTENERS = (
    listener("0.0.0.0:22", 611, "sshd", "ssh.service"),
    listener("[::]:22", 611, "sshd", "ssh.service"),
    listener("127.0.0.1:323", 580, "chronyd", "chrony.service", protocol="udp"),
    listener("[::1]:323", 580, "chronyd", "chrony.service", protocol="udp"),
)
# What listens on a master of 1.37 with kubeadm's defaults, beside those.
MASTER = (
    listener("[::]:6443", 2101, "kube-apiserver", "cri-containerd-ab.scope", dual=True),
    listener("127.0.0.1:2379", 2102, "etcd", "cri-containerd-cd.scope"),
    listener("192.0.2.11:2379", 2102, "etcd", "cri-containerd-cd.scope"),
    listener("192.0.2.11:2380", 2102, "etcd", "cri-containerd-cd.scope"),
    listener("127.0.0.1:2381", 2102, "etcd", "cri-containerd-cd.scope"),
    listener("127.0.0.1:10257", 2103, "kube-controller", "cri-containerd-ef.scope"),
    listener("127.0.0.1:10259", 2104, "kube-scheduler", "cri-containerd-01.scope"),
    listener("[::]:10250", 1900, "kubelet", "kubelet.service", dual=True),
    listener("127.0.0.1:10248", 1900, "kubelet", "kubelet.service"),
    listener("[::]:10256", 2301, "kube-proxy", "cri-containerd-23.scope", dual=True),
    listener("127.0.0.1:10249", 2301, "kube-proxy", "cri-containerd-23.scope"),
)


def healthy() -> Ports:
    """Before kubeadm, with Debian's defaults for connections."""
    return Ports(
        listeners=LISTENERS,
        bind_probes=tuple(
            BindProbe(protocol, family, port, "")
            for protocol, port in bound_ports(Settings())
            for family in (4, 6)
        ),
        ephemeral=(32768, 60999),
        reserved=(),
    )


def running() -> Ports:
    """After `kubeadm init`."""
    before = healthy()
    return Ports((*LISTENERS, *MASTER), before.bind_probes, before.ephemeral, before.reserved)

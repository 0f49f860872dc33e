"""Faults of the runtime, the kubelet, programs, leftovers, external etcd and competitors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.runtime import EtcdFile, EtcdMember, Process, Runtime
from preflight.settings import EtcdSettings, Settings
from rules.cluster import Role
from rules.version import NEWEST, Version
from tests.faults.model import LiveFault, SavedFault

SOCKET = "/run/containerd/containerd.sock"
SERVE = f"{sys.executable} -m tests.criserver"
# A runtime that answers, a kubelet that tells its version, and an empty etcd volume.
BASELINE = f"""
mkdir -p /etc/containerd /var/lib/etcd/lost+found /usr/local/bin
printf '%s\\n' 'version = 2' '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]' \\
    '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]' \\
    'SystemdCgroup = true' > /etc/containerd/config.toml
{SERVE} {SOCKET}
printf '#!/bin/sh\\necho Kubernetes v1.37.0\\n' > /usr/local/bin/kubelet
chmod 755 /usr/local/bin/kubelet
"""
_ARGUMENTS = ("--offline", "--kubernetes-version", "1.37")


def _live(name: str, finds: str, shell: str, role: Role = Role.MASTER) -> LiveFault:
    return LiveFault(name, frozenset({finds}), shell, BASELINE, role, _ARGUMENTS)


def _sleeper(name: str) -> str:
    """A process of this name, outside of PATH."""
    return f"cp /usr/bin/sleep /run/{name}\n/run/{name} 60 &\nsleep 0.05"


_NOBODY_ANSWERS = f"""
rm {SOCKET}
{sys.executable} -c '
import os, socket, time
listener = socket.socket(socket.AF_UNIX)
listener.bind("{SOCKET}")
listener.listen()
os.fork() or time.sleep(60)'
"""
_NOBODY_LISTENS = f"""
rm {SOCKET}
{sys.executable} -c 'import socket; socket.socket(socket.AF_UNIX).bind("{SOCKET}")'
"""

LIVE = (
    _live(
        "manifests of an earlier control plane",
        "manifests-absent",
        "mkdir -p /etc/kubernetes/manifests && touch /etc/kubernetes/manifests/kube-apiserver.yaml",
    ),
    _live(
        "kubelet.conf of an earlier cluster",
        "kubelet-conf-absent",
        "mkdir -p /etc/kubernetes && touch /etc/kubernetes/kubelet.conf",
        Role.WORKER,
    ),
    _live(
        "CA certificate of an earlier cluster on a worker",
        "ca-absent",
        "mkdir -p /etc/kubernetes/pki && touch /etc/kubernetes/pki/ca.crt",
        Role.WORKER,
    ),
    _live(
        "data of an earlier etcd beside lost+found",
        "etcd-dir-empty",
        "mkdir -p /var/lib/etcd/member/snap",
    ),
    _live(
        "data of an earlier external etcd",
        "etcd-dir-empty",
        "mkdir /var/lib/etcd/member",
        Role.ETCD,
    ),
    _live(
        "kubelet newer than the control plane",
        "kubelet-version",
        "sed -i s/v1.37.0/v1.38.0/ /usr/local/bin/kubelet",
    ),
    _live(
        "kubelet that does not start",
        "kubelet-version",
        "printf '#!/bin/sh\\nexit 1\\n' > /usr/local/bin/kubelet",
        Role.WORKER,
    ),
    _live(
        "losetup missing",
        "executable",
        "touch /run/nothing\nmount --bind /run/nothing $(readlink -f $(command -v losetup))",
    ),
    _live("sbin missing from root's PATH", "executable", "export PATH=/usr/bin:/bin"),
    _live("no container runtime", "cri-socket", f"rm {SOCKET}"),
    _live("CRI socket that nobody answers", "cri-socket", _NOBODY_ANSWERS),
    _live("CRI socket file without a listener", "cri-socket", _NOBODY_LISTENS),
    _live("two CRI sockets and none named", "cri-socket", f"{SERVE} /run/crio/crio.sock"),
    _live(
        "containerd with its CRI switched off",
        "cri-socket",
        f"rm {SOCKET}\n{SERVE} {SOCKET} ''\n"
        "sed -i '1a disabled_plugins = [\"cri\"]' /etc/containerd/config.toml",
    ),
    _live(
        "runtime that speaks only CRI v1alpha2",
        "cri-socket",
        f"rm {SOCKET}\n{SERVE} {SOCKET} v1alpha2",
    ),
    _live("k3s running", "conflicting-processes", _sleeper("k3s-server"), Role.WORKER),
    _live("etcd running already", "conflicting-processes", _sleeper("etcd")),
    _live("kubelet of another cluster running", "conflicting-processes", _sleeper("kubelet")),
)


def _change(change: Callable[[Runtime], Runtime]) -> Callable[[Facts], Facts]:
    def changed(facts: Facts) -> Facts:
        assert not isinstance(facts.runtime, Unknown)
        return replace(facts, runtime=change(facts.runtime))

    return changed


def _server(**fields: Any) -> Callable[[Facts], Facts]:
    def change(runtime: Runtime) -> Runtime:
        assert not isinstance(runtime.cri_servers, Unknown)
        (server,) = runtime.cri_servers
        return replace(runtime, cri_servers=(replace(server, **fields),))

    return _change(change)


def _kubelet(**fields: Any) -> Callable[[Facts], Facts]:
    def change(runtime: Runtime) -> Runtime:
        assert runtime.kubelet is not None
        assert not isinstance(runtime.kubelet, Unknown)
        return replace(runtime, kubelet=replace(runtime.kubelet, **fields))

    return _change(change)


def _without(program: str) -> Callable[[Facts], Facts]:
    return _change(
        lambda runtime: replace(runtime, executables={**runtime.executables, program: ""})
    )


def _saved(
    name: str, finds: str, change: Callable[[Facts], Facts], version: Version = NEWEST
) -> SavedFault:
    return SavedFault(name, frozenset({finds}), change, version=version)


_ETCD = Settings(
    etcd=EtcdSettings(
        endpoints=("https://192.0.2.31:2379",),
        ca_file="/etc/etcd/ca.crt",
        cert_file="/etc/etcd/client.crt",
        key_file="/etc/etcd/client.key",
    )
)


def _etcd(version: str, *absent: str) -> Callable[[Facts], Facts]:
    etcd = _ETCD.etcd
    files = tuple(
        EtcdFile(path, "absent" if path in absent else "")
        for path in (etcd.ca_file, etcd.cert_file, etcd.key_file)
    )
    members = tuple(EtcdMember(endpoint, version) for endpoint in etcd.endpoints)
    return _change(lambda runtime: replace(runtime, external_etcd=members, etcd_files=files))


SAVED = (
    _saved(
        "containerd on cgroupfs beside a kubelet on systemd",
        "cri-cgroup-driver",
        _server(version="1.7.28", cgroup_driver="", configured_driver="cgroupfs"),
        Version(1, 34),
    ),
    _saved(
        "containerd and kubelet on cgroupfs under systemd",
        "cri-cgroup-driver",
        _server(cgroup_driver="cgroupfs"),
    ),
    _saved("containerd 1.6.20 for Kubernetes 1.37", "cri-socket", _server(version="1.6.20~ds1")),
    _saved(
        "containerd 1.7 cannot tell its cgroup driver to Kubernetes 1.35",
        "cri-socket",
        _server(version="1.7.28", cgroup_driver=""),
        Version(1, 35),
    ),
    _saved(
        "runtime that says it is not ready",
        "cri-socket",
        _server(ready=False, ready_message="no snapshotter"),
    ),
    _saved("kubelet four minors behind", "kubelet-version", _kubelet(version="v1.33.9")),
    _saved(
        "kubelet not installed",
        "kubelet-installed",
        _change(lambda runtime: replace(runtime, kubelet=None)),
    ),
    _saved("kubelet.service disabled", "kubelet-service", _kubelet(unit="disabled")),
    _saved("crictl missing for Kubernetes 1.30", "executable", _without("crictl"), Version(1, 30)),
    _saved(
        "conntrack missing for Kubernetes 1.31", "executable", _without("conntrack"), Version(1, 31)
    ),
    _saved(
        "MicroK8s running",
        "conflicting-processes",
        _change(
            lambda runtime: replace(
                runtime,
                processes=(
                    Process(
                        812, "kubelite", "/snap/x", "snap.microk8s.daemon-kubelite.service", True
                    ),
                ),
            )
        ),
    ),
    SavedFault("external etcd 3.4", frozenset({"external-etcd"}), _etcd("3.4.30"), settings=_ETCD),
    SavedFault(
        "client key of the external etcd missing",
        frozenset({"external-etcd"}),
        _etcd("3.6.5", _ETCD.etcd.key_file),
        settings=_ETCD,
    ),
)
FAULTS = (*LIVE, *SAVED)

"""Programs that take a node's ports, cgroups and packet filter for a cluster of their own."""

from __future__ import annotations

from typing import NamedTuple


class Distribution(NamedTuple):
    """``processes`` as in /proc/PID/comm (15 characters at most); ``removal`` takes it off."""

    name: str
    processes: tuple[str, ...]
    removal: str
    source: str


DISTRIBUTIONS = (
    Distribution(
        "k3s",
        ("k3s", "k3s-server", "k3s-agent", "k3s-init"),
        "if [ -x /usr/local/bin/k3s-uninstall.sh ]; then /usr/local/bin/k3s-uninstall.sh; "
        "else /usr/local/bin/k3s-agent-uninstall.sh; fi",
        "https://docs.k3s.io/installation/uninstall",
    ),
    Distribution(
        "RKE2",
        ("rke2", "rke2-server", "rke2-agent"),
        "rke2-uninstall.sh",
        "https://docs.rke2.io/install/uninstall",
    ),
    Distribution(
        "k0s", ("k0s",), "k0s stop && k0s reset", "https://docs.k0sproject.io/stable/reset/"
    ),
    Distribution(
        "MicroK8s",
        ("kubelite", "k8s-dqlite"),
        "snap remove --purge microk8s",
        "https://microk8s.io/docs/command-reference",
    ),
    Distribution(
        "Canonical Kubernetes",
        ("k8sd",),
        "snap remove --purge k8s",
        "https://documentation.ubuntu.com/canonical-kubernetes/",
    ),
    Distribution(
        "minikube",
        ("minikube",),
        "minikube delete --all",
        "https://minikube.sigs.k8s.io/docs/commands/delete/",
    ),
    Distribution(
        "MicroShift",
        ("microshift",),
        "systemctl disable --now microshift.service",
        "https://microshift.io/docs/",
    ),
)
# What the components of any cluster are called: names from 15 characters on are cut by the kernel.
COMPONENTS = (
    "kubelet",
    "kube-apiserver",
    "kube-controller",
    "kube-scheduler",
    "kube-proxy",
    "hyperkube",
)
NAMES = frozenset(
    {
        *(process for each in DISTRIBUTIONS for process in each.processes),
        *COMPONENTS,
        "etcd",
        "dockerd",
    }
)


def distribution_of(process: str) -> Distribution | None:
    """The distribution that runs a process of this name."""
    return next((each for each in DISTRIBUTIONS if process in each.processes), None)

"""The container runtime, the kubelet, programs, leftovers and competitors: all of ``Runtime``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from preflight.facts import kubelet, leftovers, processes
from preflight.facts.cri import ask, candidates
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.runtime import EtcdFile, EtcdMember, Runtime
from preflight.facts.procs import process_names
from preflight.facts.runtimeconfigs import read_configs
from preflight.settings import Settings
from preflight.versions.kubeadm import NAMES
from rules.run import Output, find_program

# Beside what kubeadm asks for: the runtimes, to name the one that is installed and not running.
_OTHER_PROGRAMS = ("containerd", "crio", "dockerd", "cri-dockerd", "kubeadm", "kubelet", "nft")
_NFT_VERSION = re.compile(r"v(\d+\.\d+(?:\.\d+)?)")


def collect(host: Host, settings: Settings) -> Runtime:
    """Reads everything. Programs are started first and read last."""
    found = kubelet.start(host)
    kubeadm_answer = _start(host, "kubeadm", "version", "-o", "short")
    nft_answer = _start(host, "nft", "--version") if _uses_nftables(settings) else None
    names = process_names()
    servers = tuple(ask(path) for path in candidates(settings.cri_socket))
    left, denied = leftovers.existing(leftovers.leftover_paths(settings))
    members, files = _external_etcd(host, settings)
    return Runtime(
        cri_servers=servers,
        runtime_configs=read_configs(host, servers, names),
        kubelet=None if found is None else kubelet.describe(host, *found),
        kubeadm_version=None if kubeadm_answer is None else _first_word(kubeadm_answer()),
        executables={name: find_program(name) or "" for name in (*NAMES, *_OTHER_PROGRAMS)},
        leftovers=left,
        etcd_directory=settings.etcd.data_dir,
        etcd_entries=leftovers.directory_entries(host, settings.etcd.data_dir),
        external_etcd=members,
        processes=processes.competing(names),
        leftovers_denied=denied,
        search_path=tuple(
            dict.fromkeys(filter(None, os.environ.get("PATH", "").split(os.pathsep)))
        ),
        nft_version=_nft_version(settings, nft_answer),
        etcd_files=files,
    )


def _start(host: Host, *argv: str) -> Callable[[], Known[Output]] | None:
    return host.start(argv) if find_program(argv[0]) else None


def _first_word(output: Known[Output]) -> Known[str | None]:
    if isinstance(output, Unknown):
        return output
    words = output.stdout.split()
    return words[0] if words else Unknown("failed", f"{' '.join(output.argv)} printed nothing")


def _uses_nftables(settings: Settings) -> bool:
    return settings.cluster.proxy_mode == "nftables" and not settings.proxy_disabled


def _nft_version(settings: Settings, answer: Callable[[], Known[Output]] | None) -> Known[str]:
    if not _uses_nftables(settings):
        return Unknown("not-asked", "kube-proxy does not use nftables")
    if answer is None:
        return Unknown("absent", "nft is not installed")
    output = answer()
    return output if isinstance(output, Unknown) else parse_nft_version(output.stdout)


def parse_nft_version(text: str) -> Known[str]:
    """``nftables v1.0.6 (Lester Gooch #5)`` -> ``1.0.6``."""
    match = _NFT_VERSION.search(text)
    return match[1] if match else Unknown("failed", "nft --version names no version")


def _external_etcd(
    host: Host, settings: Settings
) -> tuple[Known[tuple[EtcdMember, ...]], tuple[EtcdFile, ...]]:
    if not settings.etcd.endpoints:
        return (), ()
    from preflight.facts import etcdclient

    files = etcdclient.files(settings.etcd)
    if host.offline:
        return Unknown("not-asked", "--offline sends nothing to the external etcd"), files
    return etcdclient.members(settings.etcd), files

from __future__ import annotations

import os
from pathlib import Path

from preflight.facts.host import Host
from preflight.facts.leftovers import directory_entries, existing, leftover_paths
from preflight.facts.model import Unknown, known
from preflight.facts.processes import competing
from preflight.facts.runtime import collect, parse_nft_version
from preflight.settings import Settings
from rules.cluster import Cluster
from tests.facts.test_procs import make_process


def test_leftover_paths_follow_the_certificates_directory() -> None:
    paths = leftover_paths(Settings(certificates_dir="/etc/pki/k8s"))
    assert "/etc/pki/k8s/ca.crt" in paths
    assert "/etc/kubernetes/manifests/kube-apiserver.yaml" in paths
    assert len(paths) == 7


def test_existing_files_and_dead_links(tmp_path: Path) -> None:
    there, dead, behind_a_file = tmp_path / "a", tmp_path / "b", tmp_path / "a" / "c"
    there.write_text("")
    dead.symlink_to("nowhere")
    paths = (str(there), str(dead), str(behind_a_file))
    assert existing(paths) == ((str(there),), ())


def test_directory_entries(tmp_path: Path) -> None:
    host = Host(offline=True)
    assert directory_entries(host, str(tmp_path / "none")) is None
    assert directory_entries(host, str(tmp_path)) == ()
    (tmp_path / "member").mkdir()
    assert directory_entries(host, str(tmp_path)) == ("member",)
    (tmp_path / "file").write_text("")
    assert directory_entries(host, str(tmp_path / "file")) == ("file (a file, not a directory)",)


def test_competing_processes(tmp_path: Path) -> None:
    make_process(tmp_path, 5, "bash")
    cgroup = "0::/system.slice/k3s.service\n"
    make_process(tmp_path, 9, "k3s-server", "/usr/local/bin/k3s server", cgroup)
    make_process(tmp_path, 10, "kubelet", "kubelet --version")
    (tmp_path / "10" / "stat").write_text(f"10 (kube) let) S {os.getpid()} 10 10 0\n")
    make_process(tmp_path, 11, "etcd")  # has ended: no command line
    names = {5: "bash", 9: "k3s-server", 10: "kubelet", 11: "etcd"}
    (found,) = known(competing(names, proc=str(tmp_path)))
    assert (found.pid, found.name, found.unit) == (9, "k3s-server", "k3s.service")
    assert (found.command, found.own_network) == ("/usr/local/bin/k3s server", None)
    hidden = Unknown("denied", "hidden")
    assert competing(hidden) is hidden


def test_nft_version() -> None:
    assert parse_nft_version("nftables v1.0.6 (Lester Gooch #5)\n") == "1.0.6"
    assert parse_nft_version("nftables v1.1 (x)\n") == "1.1"
    assert isinstance(parse_nft_version("nft\n"), Unknown)


def test_this_machine_is_read_without_sending_anything() -> None:
    settings = Settings(cluster=Cluster(proxy_mode="nftables"))
    runtime = collect(Host(offline=True), settings)
    assert runtime.executables["cp"].endswith("/cp")
    assert runtime.external_etcd == ()
    assert os.environ["PATH"].split(os.pathsep)[0] in runtime.search_path

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.runtime import CriServer, EtcdFile, EtcdMember, Process
from preflight.finding import Status
from preflight.settings import EtcdSettings, Settings
from preflight.target import Phase
from preflight.versions.kubeadm import etcd_recommended, minimum_external_etcd
from rules.cluster import Role
from rules.version import Version
from tests.nodes import healthy, judge, runtime, target

IDS = ("manifests-absent", "kubelet-conf-absent", "ca-absent", "etcd-dir-empty")
EXTERNAL = EtcdSettings(
    endpoints=("https://192.0.2.31:2379", "https://192.0.2.32:2379"),
    ca_file="/e/ca.crt",
    cert_file="/e/c.crt",
    key_file="/e/c.key",
)
FILES = (EtcdFile("/e/ca.crt"), EtcdFile("/e/c.crt"), EtcdFile("/e/c.key"))


def node(**fields: Any) -> Facts:
    return replace(healthy(), runtime=replace(runtime.healthy(), **fields))


@pytest.mark.parametrize(
    ("id", "roles"),
    [
        ("manifests-absent", {Role.MASTER, Role.MULTI_MASTER}),
        ("kubelet-conf-absent", {Role.MASTER, Role.MULTI_MASTER, Role.WORKER}),
        ("ca-absent", {Role.WORKER}),
        ("etcd-dir-empty", {Role.MASTER, Role.MULTI_MASTER, Role.ETCD}),
    ],
)
def test_nothing_is_left_on_a_fresh_node(id: str, roles: set[Role]) -> None:
    for role in Role:
        found = judge(id, healthy(), target(role))
        assert [finding.status for finding in found] == ([Status.PASS] if role in roles else [])
        assert judge(id, healthy(), target(role, phase=Phase.AFTER)) == []


@pytest.mark.parametrize(
    ("id", "path", "alias", "role"),
    [
        (
            "manifests-absent",
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml",
            Role.MASTER,
        ),
        (
            "kubelet-conf-absent",
            "/etc/kubernetes/kubelet.conf",
            "FileAvailable--etc-kubernetes-kubelet.conf",
            Role.MASTER,
        ),
        (
            "ca-absent",
            "/etc/kubernetes/pki/ca.crt",
            "FileAvailable--etc-kubernetes-pki-ca.crt",
            Role.WORKER,
        ),
    ],
)
def test_a_leftover(id: str, path: str, alias: str, role: Role) -> None:
    (found,) = judge(id, node(leftovers=(path,)), target(role))
    assert (found.status, found.aliases) == (Status.FAIL, (alias,))
    assert found.remedy == "kubeadm reset"
    (found,) = judge(id, node(leftovers_denied=(path,)), target(role))
    assert found.status is Status.UNKNOWN
    (found,) = judge(id, node(leftovers=Unknown("denied", "no")), target(role))
    assert found.status is Status.UNKNOWN


def test_all_manifests_are_named() -> None:
    left = tuple(f"/etc/kubernetes/manifests/{name}.yaml" for name in ("etcd", "kube-scheduler"))
    found = judge("manifests-absent", node(leftovers=left))
    assert {finding.subject for finding in found} == {"etcd.yaml", "kube-scheduler.yaml"}


def test_the_certificates_directory_is_configurable() -> None:
    wanted = target(Role.WORKER, settings=Settings(certificates_dir="/pki"))
    (found,) = judge("ca-absent", node(leftovers=("/pki/ca.crt",)), wanted)
    assert found.status is Status.FAIL


@pytest.mark.parametrize(
    ("entries", "status"),
    [
        (None, Status.PASS),
        ((), Status.PASS),
        (("lost+found",), Status.PASS),
        (("lost+found", "member"), Status.FAIL),
        (tuple("abcdef"), Status.FAIL),
        (Unknown("denied", "no"), Status.UNKNOWN),
    ],
)
def test_etcd_directory(entries: Any, status: Status) -> None:
    (found,) = judge("etcd-dir-empty", node(etcd_entries=entries))
    assert found.status is status


def test_etcd_directory_elsewhere() -> None:
    wanted = target(settings=Settings(etcd=EtcdSettings(data_dir="/data/etcd")))
    (found,) = judge("etcd-dir-empty", node(etcd_entries=("member",)), wanted)
    assert found.status is Status.UNKNOWN
    facts = node(etcd_entries=("member",), etcd_directory="/data/etcd")
    (found,) = judge("etcd-dir-empty", facts, wanted)
    assert found.aliases == ("DirAvailable--data-etcd",)


def test_etcd_directory_with_an_external_etcd() -> None:
    wanted = target(settings=Settings(etcd=EXTERNAL))
    (found,) = judge("etcd-dir-empty", node(etcd_entries=("member",)), wanted)
    assert found.status is Status.SKIP
    member = target(Role.ETCD, settings=Settings(etcd=EXTERNAL))
    (found,) = judge("etcd-dir-empty", node(etcd_entries=("member",)), member)
    assert found.status is Status.FAIL
    assert found.remedy == ("mv /var/lib/etcd /var/lib/etcd.before && mkdir -m 700 /var/lib/etcd")


# External etcd


def external(*members: EtcdMember, files: tuple[EtcdFile, ...] = FILES) -> Facts:
    return node(external_etcd=members, etcd_files=files)


def statuses(facts: Facts, version: Version = Version(1, 37)) -> dict[str, Status]:  # noqa: B008
    wanted = target(version=version, settings=Settings(etcd=EXTERNAL))
    return {finding.subject: finding.status for finding in judge("external-etcd", facts, wanted)}


def test_no_external_etcd() -> None:
    assert judge("external-etcd", healthy()) == []


@pytest.mark.parametrize(
    ("version", "minor", "status"),
    [
        ("3.5.23", 37, Status.FAIL),
        ("3.5.24", 37, Status.PASS),
        ("3.6.5", 37, Status.PASS),
        ("3.5.23", 34, Status.WARN),
        ("3.5.10", 34, Status.FAIL),
        ("3.5.11", 31, Status.PASS),
        ("3.5.0", 31, Status.FAIL),
        ("3.5.0", 30, Status.PASS),
        ("3.4.12", 24, Status.FAIL),
        ("3.4.13", 24, Status.PASS),
        ("nonsense", 37, Status.UNKNOWN),
    ],
)
def test_external_etcd_versions(version: str, minor: int, status: Status) -> None:
    members = [EtcdMember(endpoint, version) for endpoint in EXTERNAL.endpoints]
    found = statuses(external(*members), Version(1, minor))
    assert found[EXTERNAL.endpoints[0]] is status
    assert found["/e/ca.crt"] is Status.PASS


def test_one_endpoint_does_not_hide_another() -> None:
    first, second = EXTERNAL.endpoints
    good, closed = EtcdMember(first, "3.6.5"), EtcdMember(second, error="refused", reason="failed")
    assert statuses(external(good, closed))[second] is Status.FAIL
    assert statuses(external(good, closed))[first] is Status.PASS
    late = EtcdMember(second, error="late", reason="timeout")
    assert statuses(external(good, late))[second] is Status.UNKNOWN
    assert statuses(external(good))[second] is Status.UNKNOWN


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        ("", Status.PASS),
        ("absent", Status.FAIL),
        ("failed", Status.FAIL),
        ("denied", Status.UNKNOWN),
    ],
)
def test_external_etcd_files(problem: str, status: Status) -> None:
    files = (EtcdFile("/e/ca.crt", problem), *FILES[1:])
    assert statuses(external(files=files))["/e/ca.crt"] is status


def test_external_etcd_offline_and_unread() -> None:
    offline = node(external_etcd=Unknown("not-asked", "offline"), etcd_files=FILES)
    assert statuses(offline)[""] is Status.SKIP
    assert statuses(node(external_etcd=Unknown("failed", "x")))[""] is Status.UNKNOWN
    assert statuses(node())["/e/c.key"] is Status.UNKNOWN


def test_etcd_tables_cover_every_minor() -> None:
    for minor in range(24, 39):
        version = Version(1, minor)
        assert Version(3, 4, 13) <= minimum_external_etcd(version) <= etcd_recommended(version)


# Competitors


def process(name: str, unit: str = "", own_network: bool | None = True) -> Process:
    return Process(77, name, f"/usr/bin/{name}", unit, own_network)


def running(*processes: Process, **fields: Any) -> Facts:
    return node(processes=processes, **fields)


@pytest.mark.parametrize(
    ("name", "subject", "remedy"),
    [
        ("k3s-server", "k3s", "k3s-uninstall.sh"),
        ("rke2", "RKE2", "rke2-uninstall.sh"),
        ("k0s", "k0s", "k0s reset"),
        ("kubelite", "MicroK8s", "snap remove --purge microk8s"),
        ("minikube", "minikube", "minikube delete"),
    ],
)
def test_other_distributions(name: str, subject: str, remedy: str) -> None:
    for phase in Phase:
        (found,) = judge("conflicting-processes", running(process(name)), target(phase=phase))
        assert (found.status, found.subject) == (Status.WARN, subject)
        assert remedy in found.remedy


def test_a_distribution_is_named_once() -> None:
    facts = running(process("k3s-server", "k3s.service"), process("k3s-agent"))
    (found,) = judge("conflicting-processes", facts)
    assert "k3s.service" in found.message


@pytest.mark.parametrize("name", ["kubelet", "kube-apiserver", "kube-controller"])
def test_components_count_before_and_not_after(name: str) -> None:
    facts = running(process(name, "old.service"))
    (found,) = judge("conflicting-processes", facts)
    assert (found.status, found.remedy) == (Status.WARN, "systemctl disable --now old.service")
    (found,) = judge("conflicting-processes", facts, target(phase=Phase.AFTER))
    assert found.status is Status.PASS


@pytest.mark.parametrize(
    "quiet",
    [
        process("kubelet", "kubelet.service"),
        process("kubelet", "docker-0123.scope", own_network=False),
        process("dockerd", "docker.service"),
    ],
)
def test_what_is_in_nobodys_way(quiet: Process) -> None:
    (found,) = judge("conflicting-processes", running(quiet))
    assert found.status is Status.PASS


@pytest.mark.parametrize(
    ("role", "settings", "status"),
    [
        (Role.MASTER, Settings(), Status.WARN),
        (Role.ETCD, Settings(), Status.WARN),
        (Role.WORKER, Settings(), Status.PASS),
        (Role.MASTER, Settings(etcd=EXTERNAL), Status.PASS),
    ],
)
def test_an_etcd_that_runs_already(role: Role, settings: Settings, status: Status) -> None:
    facts = running(process("etcd", "etcd.service"))
    (found,) = judge("conflicting-processes", facts, target(role, settings=settings))
    assert found.status is status


@pytest.mark.parametrize(
    ("reason", "status"), [("unimplemented", Status.WARN), ("denied", Status.PASS)]
)
def test_docker_without_a_cri(reason: str, status: Status) -> None:
    server = CriServer(runtime.SOCKET, error="no", reason=reason)
    facts = running(process("dockerd"), cri_servers=(server,))
    (found,) = judge("conflicting-processes", facts)
    assert found.status is status


def test_hidden_processes() -> None:
    (found,) = judge("conflicting-processes", node(processes=Unknown("denied", "hidden")))
    assert found.status is Status.UNKNOWN


@pytest.mark.parametrize("id", [*IDS, "conflicting-processes", "executable"])
def test_unknown_facts_are_unknown_findings(id: str) -> None:
    facts = replace(healthy(), runtime=Unknown("timeout", "late"))
    role = Role.WORKER if id == "ca-absent" else Role.MASTER
    (found,) = judge(id, facts, target(role))
    assert found.status is Status.UNKNOWN

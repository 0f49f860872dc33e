from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown, known
from preflight.finding import Severity, Status
from preflight.settings import Settings
from preflight.versions.kubelet import install_command, oldest_kubelet
from rules.cluster import Cluster, Role
from rules.version import Version
from tests.nodes import healthy, judge, runtime, target


def node(**fields: Any) -> Facts:
    return replace(healthy(), runtime=replace(runtime.healthy(), **fields))


def kubelet(**fields: Any) -> Facts:
    return node(kubelet=replace(runtime.kubelet(), **fields))


def on(facts: Facts, os_id: str) -> Facts:
    return replace(facts, system=replace(known(healthy().system), os_id=os_id))


@pytest.mark.parametrize("id", ["kubelet-installed", "kubelet-version", "kubelet-service"])
def test_a_healthy_kubelet_and_an_unknown_one(id: str) -> None:
    (found,) = judge(id, healthy())
    assert found.status is Status.PASS
    assert judge(id, healthy(), target(Role.ETCD)) == []
    (found,) = judge(id, node(kubelet=Unknown("denied", "no")))
    assert found.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("os_id", "words"),
    [
        ("debian", ("/core:/stable:/v1.36/deb/", "apt-get install -y kubelet kubeadm")),
        ("ubuntu", ("gpg --batch --yes --dearmor",)),
        ("rocky", ("/core:/stable:/v1.36/rpm/", "dnf install -y kubelet kubeadm")),
        ("sles", ("/etc/zypp/repos.d", "zypper install -y kubelet kubeadm")),
        ("flatcar", ("Without a package manager",)),
    ],
)
def test_no_kubelet(os_id: str, words: tuple[str, ...]) -> None:
    programs = {**runtime.PROGRAMS, "kubelet": "", "kubeadm": ""}
    facts = on(node(kubelet=None, executables=programs), os_id)
    (found,) = judge("kubelet-installed", facts, target(version=Version(1, 36, 2)))
    assert found.status is Status.FAIL
    assert all(word in found.remedy for word in words)
    for id in ("kubelet-version", "kubelet-service"):
        (found,) = judge(id, facts)
        assert found.status is Status.SKIP


def test_only_what_is_missing_is_installed() -> None:
    programs = {**runtime.PROGRAMS, "kubelet": ""}
    (found,) = judge("kubelet-installed", node(kubelet=None, executables=programs))
    assert "apt-get install -y kubelet &&" in found.remedy


@pytest.mark.parametrize(
    ("version", "wanted", "status"),
    [
        ("v1.37.0", Version(1, 37), Status.PASS),
        ("v1.37.4", Version(1, 37), Status.PASS),
        ("v1.37.4", Version(1, 37, 4), Status.PASS),
        ("v1.37.4", Version(1, 37, 3), Status.FAIL),
        ("v1.38.0", Version(1, 37), Status.FAIL),
        ("v1.34.9", Version(1, 37), Status.PASS),
        ("v1.33.9", Version(1, 37), Status.FAIL),
        ("v1.25.0", Version(1, 28), Status.PASS),
        ("v1.24.0", Version(1, 27), Status.FAIL),
        ("v1.25.0", Version(1, 27), Status.PASS),
        ("v1.24.0", Version(1, 26), Status.PASS),
        ("v1.23.0", Version(1, 26), Status.FAIL),
        ("v1.37.0+k3s1", Version(1, 37), Status.PASS),
        ("nonsense", Version(1, 37), Status.UNKNOWN),
    ],
)
def test_skew(version: str, wanted: Version, status: Status) -> None:
    (found,) = judge("kubelet-version", kubelet(version=version), target(version=wanted))
    assert found.status is status
    if status is Status.FAIL:
        assert "--allow-change-held-packages" in found.remedy


def test_a_kubelet_that_does_not_tell_its_version() -> None:
    facts = kubelet(version="", version_unknown=Unknown("timeout", "it hangs"))
    (found,) = judge("kubelet-version", facts)
    assert (found.status, found.message) == (Status.UNKNOWN, "it hangs")


def test_oldest_kubelet() -> None:
    assert oldest_kubelet(Version(1, 24)) == Version(1, 22)
    assert oldest_kubelet(Version(1, 27)) == Version(1, 25)
    assert oldest_kubelet(Version(1, 37, 2)) == Version(1, 34)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("enabled", Status.PASS),
        ("static", Status.PASS),
        ("disabled", Status.WARN),
        ("enabled-runtime", Status.WARN),
        ("masked", Status.WARN),
        ("not-found", Status.WARN),
    ],
)
def test_service(state: str, status: Status) -> None:
    (found,) = judge("kubelet-service", kubelet(unit=state))
    assert found.status is status
    assert ("unmask" in found.remedy) is (state == "masked")


def test_service_without_systemd() -> None:
    (found,) = judge("kubelet-service", kubelet(unit=Unknown("absent", "no systemd")))
    assert found.status is Status.UNKNOWN


def test_install_command_names_the_minor() -> None:
    assert "/v1.31/rpm/" in install_command("dnf", Version(1, 31, 4), "kubelet")


# Programs


def programs(**missing: str) -> Facts:
    return node(executables={**runtime.PROGRAMS, **missing})


@pytest.mark.parametrize(
    ("minor", "names"),
    [
        (24, "conntrack crictl ip iptables nsenter ethtool tc touch socat ebtables mount"),
        (31, "conntrack crictl ip iptables nsenter ethtool tc touch socat ebtables mount"),
        (32, "ip iptables nsenter ethtool tc touch mount"),
        (33, "mount losetup cp"),
        (37, "mount losetup cp"),
        (38, "mount losetup cp getent"),
    ],
)
def test_programs_by_minor(minor: int, names: str) -> None:
    facts = node(kubeadm_version=None)
    found = judge("executable", facts, target(version=Version(1, minor)))
    assert {finding.subject for finding in found} == set(names.split())
    assert {finding.status for finding in found} == {Status.PASS}


@pytest.mark.parametrize(
    ("name", "minor", "status"),
    [
        ("conntrack", 31, Status.FAIL),
        ("crictl", 30, Status.FAIL),
        ("crictl", 31, Status.WARN),
        ("iptables", 32, Status.FAIL),
        ("ethtool", 32, Status.WARN),
        ("losetup", 33, Status.FAIL),
        ("mount", 37, Status.FAIL),
        ("getent", 38, Status.WARN),
    ],
)
def test_a_missing_program(name: str, minor: int, status: Status) -> None:
    facts = programs(**{name: ""})
    found = judge("executable", facts, target(version=Version(1, minor)))
    (missing,) = [finding for finding in found if finding.status is not Status.PASS]
    assert (missing.subject, missing.status) == (name, status)
    assert missing.aliases == (f"FileExisting-{name}",)
    assert missing.remedy.startswith("apt-get install -y ")


def test_the_kubeadm_on_the_node_has_its_own_list() -> None:
    facts = node(kubeadm_version="v1.33.0")
    found = judge("executable", facts, target(version=Version(1, 32)))
    assert {"losetup", "iptables"} <= {finding.subject for finding in found}


def test_a_program_outside_of_roots_path() -> None:
    facts = node(search_path=("/usr/bin", "/bin"))
    found = {finding.subject: finding.status for finding in judge("executable", facts)}
    assert found == {"mount": Status.PASS, "losetup": Status.WARN, "cp": Status.PASS}
    user = replace(facts, privileges=replace(facts.privileges, uid=1000))
    assert {finding.status for finding in judge("executable", user)} == {Status.PASS}


def test_a_program_that_nobody_looked_for() -> None:
    facts = node(executables={})
    assert {finding.status for finding in judge("executable", facts)} == {Status.UNKNOWN}


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("1.0.0", Status.WARN),
        ("1.0.1", Status.PASS),
        ("1.1", Status.PASS),
        (Unknown("failed", "?"), Status.UNKNOWN),
    ],
)
def test_nft_for_kube_proxys_nftables_mode(version: Any, status: Status) -> None:
    wanted = target(settings=Settings(cluster=Cluster(proxy_mode="nftables")))
    found = judge("executable", node(nft_version=version), wanted)
    assert [finding.status for finding in found if finding.subject == "nft"] == [status]


def test_severities() -> None:
    found = judge("executable", programs(ethtool=""), target(version=Version(1, 32)))
    (missing,) = [finding for finding in found if finding.subject == "ethtool"]
    assert missing.severity is Severity.WARNING

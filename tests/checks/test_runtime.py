from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preflight.facts.containerd import read_config
from preflight.facts.host import Host
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.runtime import CriServer, RuntimeConfig
from preflight.finding import Finding, Severity, Status
from preflight.settings import KubeletSettings, Settings
from preflight.target import Phase
from rules.cluster import Role
from rules.version import Version
from tests.nodes import healthy, judge, runtime, target

CAPTURES = Path(__file__).parents[1] / "captures" / "runtime"
CRIO = "/run/crio/crio.sock"


def node(**fields: Any) -> Facts:
    return replace(healthy(), runtime=replace(runtime.healthy(), **fields))


def server(**fields: Any) -> Facts:
    return node(cri_servers=(replace(runtime.server(), **fields),))


def on(facts: Facts, os_id: str) -> Facts:
    return replace(facts, system=replace(known(healthy().system), os_id=os_id))


def main(findings: list[Finding]) -> Finding:
    (found,) = [finding for finding in findings if not finding.subject]
    return found


def test_a_runtime_that_answers() -> None:
    (found,) = judge("cri-socket", healthy())
    assert found.status is Status.PASS
    assert "containerd v2.3.1" in found.message
    assert found.aliases == ("CRI",)


def test_etcd_members_need_no_runtime() -> None:
    for id in ("cri-socket", "cri-cgroup-driver", "cri-cni-paths"):
        assert judge(id, healthy(), target(Role.ETCD)) == []


@pytest.mark.parametrize(
    ("os_id", "command"),
    [
        ("debian", "apt-get install -y containerd"),
        ("ubuntu", "apt-get install -y containerd"),
        ("rocky", "docker.com/linux/centos/docker-ce.repo"),
        ("fedora", "docker.com/linux/fedora/docker-ce.repo"),
        ("opensuse-leap", "zypper install -y containerd"),
        ("alpine", "apk add containerd"),
        ("flatcar", "getting-started.md"),
    ],
)
def test_no_runtime_is_a_failure_with_the_command_of_the_distribution(
    os_id: str, command: str
) -> None:
    programs = {**runtime.PROGRAMS, "containerd": ""}
    facts = on(node(cri_servers=(), executables=programs), os_id)
    (found,) = judge("cri-socket", facts)
    assert found.status is Status.FAIL
    assert command in found.remedy


@pytest.mark.parametrize(("program", "unit"), [("containerd", "containerd"), ("crio", "crio")])
def test_an_installed_runtime_is_started(program: str, unit: str) -> None:
    programs = {**runtime.PROGRAMS, "containerd": "", program: f"/usr/bin/{program}"}
    (found,) = judge("cri-socket", node(cri_servers=(), executables=programs))
    assert found.remedy == f"systemctl enable --now {unit}.service"


def test_without_systemd_an_installed_runtime_is_started_by_other_means() -> None:
    facts = node(cri_servers=())
    facts = replace(facts, system=replace(known(facts.system), systemd=False))
    (found,) = judge("cri-socket", facts)
    assert found.remedy.startswith("start containerd")


def test_two_sockets_need_a_name() -> None:
    both = (CriServer(CRIO, error="nobody listens", reason="refused"), runtime.server())
    (found,) = judge("cri-socket", node(cri_servers=both))
    assert found.status is Status.FAIL
    assert f"--cri-socket unix://{runtime.SOCKET}" in found.remedy
    named = target(settings=Settings(cri_socket="unix:///var/run/containerd/containerd.sock"))
    (found,) = judge("cri-socket", node(cri_servers=both), named)
    assert found.status is Status.PASS


def test_a_named_socket_that_was_not_asked_is_unknown() -> None:
    named = target(settings=Settings(cri_socket=CRIO))
    (found,) = judge("cri-socket", healthy(), named)
    assert found.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("absent", Status.FAIL),
        ("refused", Status.FAIL),
        ("protocol", Status.FAIL),
        ("unimplemented", Status.FAIL),
        ("denied", Status.UNKNOWN),
        ("timeout", Status.UNKNOWN),
    ],
)
def test_no_answer(reason: str, status: Status) -> None:
    silent = CriServer(runtime.SOCKET, error="it is so", reason=reason)
    (found,) = judge("cri-socket", node(cri_servers=(silent,)))
    assert (found.status, found.message) == (status, "it is so")
    assert found.remedy


@pytest.mark.parametrize(
    ("minor", "status"), [(24, Status.PASS), (25, Status.PASS), (26, Status.FAIL)]
)
def test_v1alpha2_was_enough_until_1_25(minor: int, status: Status) -> None:
    facts = server(api="v1alpha2", version="1.5.9")
    (found,) = judge("cri-socket", facts, target(version=Version(1, minor)))
    assert found.status is status


def test_a_runtime_that_is_not_ready() -> None:
    (found,) = judge("cri-socket", server(ready=False, ready_message="no snapshotter"))
    assert found.status is Status.FAIL
    assert "no snapshotter" in found.message


@pytest.mark.parametrize(
    ("containerd", "minor", "warns"),
    [
        ("1.6.14", 31, True),
        ("1.6.15", 31, False),
        ("1.7.0", 31, False),
        ("1.6.20~ds1", 32, True),
        ("1.6.36", 32, False),
        ("1.7.23", 33, True),
        ("2.0.3", 33, True),
        ("2.0.4", 33, False),
        ("v2.1.2", 34, True),
        ("2.1.3", 34, False),
        ("2.1.4", 35, True),
        ("2.1.5", 35, False),
        ("2.1.9", 36, True),
        ("2.2.0", 36, False),
        ("v2.2.0", 37, False),
        ("2.9.0", 37, False),
        ("unheard of", 37, False),
    ],
)
def test_containerd_by_minor(containerd: str, minor: int, warns: bool) -> None:
    found = judge("cri-socket", server(version=containerd), target(version=Version(1, minor)))
    warnings = [finding for finding in found if finding.subject == "version"]
    assert bool(warnings) is warns
    assert main(found).status is Status.PASS
    for warning in warnings:
        assert (warning.status, warning.severity) == (Status.WARN, Severity.WARNING)
        assert warning.aliases == ("ContainerRuntimeVersion",)


@pytest.mark.parametrize(("minor", "warns"), [(34, False), (35, True), (37, True)])
def test_runtime_config_is_wanted_since_1_35(minor: int, warns: bool) -> None:
    facts = server(name="cri-o", version="1.27.1", cgroup_driver="")
    found = judge("cri-socket", facts, target(version=Version(1, minor)))
    assert bool([finding for finding in found if finding.subject == "version"]) is warns


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize(
    "text",
    [
        "disabled_plugins = [Qcri]\n",
        "version = 2\ndisabled_plugins = [Qio.containerd.grpc.v1.criQ, QaufsQ]\n",
        "version = 2\ndisabled_plugins = [QaufsQ, Qio.containerd.grpc.v1.criQ]\n",
        "version = 3\ndisabled_plugins = [\n  QaufsQ,\n  Qio.containerd.cri.v1.runtimeQ,\n]\n"
        "[plugins.QotherQ]\nx = 1\n",
    ],
)
def test_the_remedy_switches_cri_on(text: str, quote: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text.replace("[Qcri]", "[QcriQ]").replace("Q", quote))
    config = read_config(str(path), Host().read)
    assert config.cri_disabled
    silent = CriServer(runtime.SOCKET, error="no CRI", reason="unimplemented")
    facts = node(cri_servers=(silent,), runtime_configs=(config,))
    (found,) = judge("cri-socket", facts)
    assert "line" in found.message
    edit, restart = found.remedy.rsplit(" && ", 1)
    assert restart == "systemctl restart containerd.service"
    subprocess.run(["sh", "-c", edit], check=True)
    mended = read_config(str(path), Host().read)
    assert (mended.cri_disabled, mended.error) == (False, "")


# The cgroup driver


def test_drivers_that_agree() -> None:
    (found,) = judge("cri-cgroup-driver", healthy())
    assert found.status is Status.PASS


def test_the_kubelet_takes_the_runtimes_driver_where_it_can() -> None:
    facts = server(cgroup_driver="cgroupfs")
    (found,) = judge("cri-cgroup-driver", facts)
    assert (found.status, found.severity) == (Status.WARN, Severity.WARNING)
    without = replace(facts, system=replace(known(facts.system), systemd=False))
    (found,) = judge("cri-cgroup-driver", without)
    assert found.status is Status.PASS


def test_without_systemd_the_kubelet_takes_cgroupfs() -> None:
    facts = old("cgroupfs")
    without = replace(facts, system=replace(known(facts.system), systemd=False))
    (found,) = judge("cri-cgroup-driver", without)
    assert found.status is Status.FAIL
    assert found.remedy.startswith("set cgroupDriver: cgroupfs in the KubeletConfiguration")


@pytest.mark.parametrize(
    ("kubelet", "status"),
    [("v1.30.9", Status.FAIL), ("v1.31.0", Status.WARN), ("v1.34.0", Status.WARN)],
)
def test_older_kubelets_do_not_ask_the_runtime(kubelet: str, status: Status) -> None:
    older = replace(runtime.kubelet(), version=kubelet)
    cgroupfs = replace(runtime.server(), cgroup_driver="cgroupfs")
    (found,) = judge("cri-cgroup-driver", node(cri_servers=(cgroupfs,), kubelet=older))
    assert found.status is status


def old(configured: str, **fields: Any) -> Facts:
    """A runtime without RuntimeConfig."""
    running = replace(runtime.server(), cgroup_driver="", configured_driver=configured)
    return node(cri_servers=(running,), **fields)


@pytest.mark.parametrize(
    ("configured", "kubelet", "status"),
    [
        ("systemd", "systemd", Status.PASS),
        ("systemd", None, Status.PASS),
        ("cgroupfs", None, Status.FAIL),
        ("systemd", "cgroupfs", Status.FAIL),
        ("cgroupfs", "cgroupfs", Status.WARN),
    ],
)
def test_drivers_of_an_older_runtime(configured: str, kubelet: str | None, status: Status) -> None:
    settings = Settings(kubelet=KubeletSettings(cgroup_driver=kubelet))
    (found,) = judge("cri-cgroup-driver", old(configured), target(settings=settings))
    assert found.status is status


def test_before_kubeadm_its_configuration_counts_and_after_the_nodes() -> None:
    facts = old("systemd", kubelet=replace(runtime.kubelet(), cgroup_driver="cgroupfs"))
    settings = Settings(kubelet=KubeletSettings(cgroup_driver="systemd"))
    (found,) = judge("cri-cgroup-driver", facts, target(settings=settings))
    assert found.status is Status.PASS
    after = target(settings=settings, phase=Phase.AFTER)
    (found,) = judge("cri-cgroup-driver", facts, after)
    assert found.status is Status.FAIL


def test_a_kubelet_configuration_that_may_not_be_read() -> None:
    hidden = replace(runtime.kubelet(), config_unknown=Unknown("denied", "no"))
    (found,) = judge("cri-cgroup-driver", old("systemd", kubelet=hidden))
    assert found.status is Status.UNKNOWN


def test_a_runtime_that_cannot_be_asked_is_judged_by_its_file() -> None:
    silent = CriServer(runtime.SOCKET, error="no", reason="denied")
    (found,) = judge("cri-cgroup-driver", node(cri_servers=(silent,)))
    assert found.status is Status.PASS
    (found,) = judge("cri-cgroup-driver", node(cri_servers=(silent,), runtime_configs=()))
    assert found.status is Status.UNKNOWN
    broken = RuntimeConfig("containerd", "/x", "", (), "", error="/x is not TOML")
    (found,) = judge("cri-cgroup-driver", node(cri_servers=(silent,), runtime_configs=(broken,)))
    assert (found.status, "not TOML" in found.message) == (Status.UNKNOWN, True)


def test_no_runtime_at_all() -> None:
    facts = node(cri_servers=(), runtime_configs=())
    for id in ("cri-cgroup-driver", "cri-cni-paths"):
        (found,) = judge(id, facts)
        assert found.status is Status.SKIP


def test_a_right_file_that_the_runtime_was_not_started_with() -> None:
    (found,) = judge("cri-cgroup-driver", old("cgroupfs"))
    assert found.remedy == "systemctl restart containerd.service"


@pytest.mark.parametrize(
    "text",
    [
        (CAPTURES / "containerd-1.6-default.toml").read_text(),
        (CAPTURES / "containerd-1.6-debian12.toml").read_text(),
        "version = 3\n[plugins.'io.containerd.cri.v1.runtime']\nx = 1\n",
        "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n"
        "SystemdCgroup=false\n",
    ],
)
def test_the_remedy_sets_the_driver(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    config = read_config(str(path), Host().read)
    assert config.cgroup_driver == "cgroupfs"
    (found,) = judge("cri-cgroup-driver", old("cgroupfs", runtime_configs=(config,)))
    edit, restart = found.remedy.rsplit(" && ", 1)
    assert restart == "systemctl restart containerd.service"
    subprocess.run(["sh", "-c", edit], check=True)
    mended = read_config(str(path), Host().read)
    assert (mended.cgroup_driver, mended.error) == ("systemd", "")


def test_remedies_for_other_files_and_runtimes() -> None:
    no_file = replace(runtime.config(), path="", driver_at="", cgroup_driver="cgroupfs")
    (found,) = judge("cri-cgroup-driver", old("cgroupfs", runtime_configs=(no_file,)))
    assert found.remedy.startswith("mkdir -p /etc/containerd && containerd config default > /etc")
    first = replace(no_file, path="/etc/containerd/config.toml", layout=1)
    (found,) = judge("cri-cgroup-driver", old("cgroupfs", runtime_configs=(first,)))
    assert found.remedy.startswith("cp /etc/containerd/config.toml /etc/containerd/config.toml.bef")
    crio = CriServer(CRIO, "cri-o", "1.27.0", "v1", ready=True)
    config = RuntimeConfig("crio", "/etc/crio/crio.conf", "cgroupfs", ("/a",), "/b", socket=CRIO)
    (found,) = judge("cri-cgroup-driver", node(cri_servers=(crio,), runtime_configs=(config,)))
    assert "cgroup_manager" in found.remedy
    assert "systemctl restart crio.service" in found.remedy
    docker = CriServer("/run/cri-dockerd.sock", "docker", "0.3", "v1", configured_driver="cgroupfs")
    (found,) = judge("cri-cgroup-driver", node(cri_servers=(docker,), runtime_configs=()))
    assert "cri-docker.service" in found.remedy


def test_hostile_paths_are_quoted() -> None:
    hostile = replace(runtime.config(), driver_at="/x; rm -rf /", cgroup_driver="cgroupfs")
    (found,) = judge("cri-cgroup-driver", old("cgroupfs", runtime_configs=(hostile,)))
    assert "'/x; rm -rf /'" in found.remedy


def test_unknown_facts_are_unknown_findings() -> None:
    facts = replace(healthy(), runtime=Unknown("timeout", "late"))
    for id in ("cri-socket", "cri-cgroup-driver", "cri-cni-paths"):
        (found,) = judge(id, facts)
        assert found.status is Status.UNKNOWN
